"""Loading the models that trials have trained."""

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.objectives import OBJECTIVES
from lvbert_tf.finetuning.objectives.objective import Objective
from lvbert_tf.finetuning.results.trial_directory import TrialDirectory
from lvbert_tf.finetuning.tasks.task import Task
from lvbert_tf.presets.directory import is_preset, load_preset


def load_tuned_model(task: Task, directory: TrialDirectory) -> Objective:
    """Loads the model that a trial trained on a task.

    Raises:
      InputError: the trial has no such model, or it cannot be read.
    """
    path = directory.preset(task.name)
    if not is_preset(path):
        others = path.parents[2].glob(f"*/presets/{task.name}")
        found = ", ".join(sorted(other.parents[1].name for other in others if is_preset(other)))
        there = f"; TASKS_TRIAL that have one: {found}" if found else ""
        raise InputError(
            f"no model of {task.name} at {path}: train one first, or name another --trial or other"
            f" task_names{there}"
        )
    kind = OBJECTIVES[task.kind]
    return kind(task, load_preset(kind.model_class, path))
