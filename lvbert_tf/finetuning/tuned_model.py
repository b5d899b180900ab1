"""The model that a trial has left."""

from lvbert_tf.errors import InputError, reason
from lvbert_tf.finetuning.objectives import OBJECTIVES
from lvbert_tf.finetuning.objectives.objective import Objective
from lvbert_tf.finetuning.starting_model import is_preset
from lvbert_tf.finetuning.task import Task
from lvbert_tf.finetuning.trial_directory import TrialDirectory


def load_tuned_model(task: Task, directory: TrialDirectory) -> Objective:
    """Loads the model that a trial trained on a task.

    Raises:
      InputError: there is none, or it cannot be read.
    """
    path = directory.preset(task.name)
    if not is_preset(path):
        raise InputError(
            f"no model of {task.name} at {path}: train one first, or name another --trial"
        )
    kind = OBJECTIVES[task.kind]
    try:
        return kind(task, kind.model_class.from_preset(str(path)))
    # Keras and HDF5 raise whatever they meet first in a damaged file.
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: the preset cannot be read: {reason(error)}") from error
