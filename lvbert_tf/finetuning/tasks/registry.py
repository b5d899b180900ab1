"""From the name of a task to the task."""

import re
from pathlib import Path

from lvbert_tf.errors import InputError, nearest
from lvbert_tf.finetuning.tasks.bad_rows import shown
from lvbert_tf.finetuning.tasks.custom import TASK_FILE, custom_task
from lvbert_tf.finetuning.tasks.glue import GLUE_TASKS, glue_task
from lvbert_tf.finetuning.tasks.question_answering import SPAN_TASKS, span_task
from lvbert_tf.finetuning.tasks.tagging import TAGGING_TASKS, tagging_task
from lvbert_tf.finetuning.tasks.task import Task
from lvbert_tf.finetuning.tasks.tfds_tasks import tfds_task

_FAMILIES = ((GLUE_TASKS, glue_task), (SPAN_TASKS, span_task), (TAGGING_TASKS, tagging_task))
BUILT_IN_TASKS = tuple(name for names, _ in _FAMILIES for name in names)
DATA_SOURCES = ("files", "tfds")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def find_task(name: str, data_dir: str | Path, data_source: str = "files") -> Task:
    """The task of a name: a built-in one, or one that `finetuning_data/<name>/task.toml` describes.

    Reads no examples, so that all tasks of a run are checked before the first is trained.

    Args:
      data_dir: the directory with `finetuning_data/<name>/` for every task.
      data_source: where a built-in task's examples are: in "files" there, or in TensorFlow Datasets
        ("tfds"). A `task.toml` names its files itself.

    Raises:
      InputError: there is no such task, with the nearest known name, or no such data source; a folder
        would hide a built-in task; or see `tfds_task` and `custom_task`.
    """
    if data_source not in DATA_SOURCES:
        raise InputError(
            f"data_source {shown(data_source)} is not one of {' | '.join(DATA_SOURCES)}"
        )
    if not _NAME.fullmatch(name):
        raise InputError(f"task name {shown(name)}: use letters, digits, '.', '_' and '-'")
    root = Path(data_dir) / "finetuning_data"
    folder = root / name
    described = (folder / TASK_FILE).is_file()
    for names, make in _FAMILIES:
        if name in names:
            if described:
                raise InputError(
                    f"{folder / TASK_FILE}: {name} is a built-in task; rename the folder"
                )
            task = make(name, folder)
            return tfds_task(task) if data_source == "tfds" else task
    if described:
        return custom_task(name, folder)
    custom = sorted(path.parent.name for path in root.glob(f"*/{TASK_FILE}"))
    known = [*BUILT_IN_TASKS, *custom]
    raise InputError(
        f"unknown task {name!r}: no built-in one, nor is there {folder / TASK_FILE}; the nearest"
        f" known one is {nearest(name, known)!r}"
    )
