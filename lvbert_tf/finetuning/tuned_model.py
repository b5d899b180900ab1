"""The model that a trial has left."""

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.objectives import OBJECTIVES
from lvbert_tf.finetuning.objectives.objective import Objective
from lvbert_tf.finetuning.task import Task
from lvbert_tf.finetuning.trial_directory import TrialDirectory
from lvbert_tf.presets.directory import is_preset, load_preset


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
    return kind(task, load_preset(kind.model_class, path))
