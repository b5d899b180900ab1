"""Loading the models that trials have trained."""

from pathlib import Path

import keras_hub

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.objectives import OBJECTIVES
from lvbert_tf.finetuning.objectives.objective import Objective
from lvbert_tf.finetuning.results.trial_directory import TrialDirectory
from lvbert_tf.finetuning.tasks.task import Task
from lvbert_tf.io.files import read_json_object
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


def find_tuned_preset(path: Path, task: str | None) -> Path | None:
    """The preset of a task in the directory of a trial; None if `path` is not such a directory.

    Args:
      path: `finetuning_models/TASKS_TRIAL`, as the user gave it.
      task: the name of the task; None if the user named none, which will do for a trial of one task.

    Raises:
      InputError: the trial has no model, or not the task's, or those of several tasks and none is named;
        or a task is named but the path is not a trial.
    """
    if not (path / "presets").is_dir():
        if (path / "result.json").exists():
            raise InputError(
                f"{path}: the model of this trial was not kept (keep_all_models false)"
            )
        if task is not None:
            raise InputError(f"--task {task}: {path} is no trial of fine-tuning")
        return None
    names = sorted(child.name for child in (path / "presets").iterdir() if is_preset(child))
    if task is None and len(names) == 1:
        task = names[0]
    if task not in names:
        wanted = "several tasks, name one with --task" if task is None else f"no task {task}"
        raise InputError(f"{path} has {wanted}: {', '.join(names) or 'there is no model'}")
    return path / "presets" / task


def load_task_preset(path: Path, dtype: str) -> keras_hub.models.Task | None:
    """Loads the model of a task, whatever its kind; None if the preset has an encoder alone.

    Raises:
      InputError: the preset has another class of model, or cannot be read.
    """
    if not (path / "task.json").exists():
        return None
    name = read_json_object(path / "task.json").get("class_name")
    if name is None:
        return None  # the caller will read the encoder, and say what is wrong with the preset
    classes = {kind.model_class.__name__: kind.model_class for kind in OBJECTIVES.values()}
    if name not in classes:
        raise InputError(f"{path} holds a {name}, not {' | '.join(classes)}")
    return load_preset(classes[name], path, dtype=dtype)
