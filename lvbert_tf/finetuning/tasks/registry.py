"""From the name of a task to the task."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from lvbert_tf.errors import InputError, nearest
from lvbert_tf.finetuning.tasks.bad_rows import shown
from lvbert_tf.finetuning.tasks.custom import TASK_FILE, custom_task
from lvbert_tf.finetuning.tasks.glue import GLUE_TASKS
from lvbert_tf.finetuning.tasks.question_answering import SPAN_TASKS
from lvbert_tf.finetuning.tasks.tagging import TAGGING_TASKS
from lvbert_tf.finetuning.tasks.task import Task
from lvbert_tf.finetuning.tasks.tfds_rows import TfdsDataset
from lvbert_tf.io.paths import parse_path

DATA_SOURCES = ("files", "tfds")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class BuiltInTask(Protocol):
    """A row of a table of built-in tasks."""

    @property
    def tfds(self) -> TfdsDataset | None:
        """Where the task is in TensorFlow Datasets; None if it is not there."""
        ...

    def from_files(self, name: str, folder: Path) -> Task:
        """The task with its files in a folder."""
        ...

    def from_tfds(self, name: str) -> Task:
        """The task with its splits in TensorFlow Datasets."""
        ...


def built_in_tasks() -> dict[str, BuiltInTask]:
    """The rows of all tables, by the task's name."""
    tables: tuple[Mapping[str, BuiltInTask], ...] = (GLUE_TASKS, SPAN_TASKS, TAGGING_TASKS)
    return {name: row for table in tables for name, row in table.items()}


def find_task(name: str, data_dir: str | Path, data_source: str = "files") -> Task:
    """The task of a name: a built-in one, or one that `finetuning_data/<name>/task.toml` describes.

    Reads no examples, so that all tasks of a run are checked before the first is trained.

    Args:
      name: as in `task_names`.
      data_dir: the directory with `finetuning_data/<name>/` for every task.
      data_source: where the examples of built-in tasks are: "files" in that folder, or "tfds"
        (TensorFlow Datasets). A `task.toml` names its files itself.

    Raises:
      InputError: there is no such task (the message has the nearest known name), no such data source,
        or no such task in TensorFlow Datasets; a folder would hide a built-in task; or the `task.toml`
        is wrong, see `custom_task`.
    """
    if data_source not in DATA_SOURCES:
        raise InputError(
            f"data_source {shown(data_source)} is not one of {' | '.join(DATA_SOURCES)}"
        )
    if not _NAME.fullmatch(name):
        raise InputError(f"task name {shown(name)}: use letters, digits, '.', '_' and '-'")
    root = parse_path(data_dir) / "finetuning_data"
    folder = root / name
    described = (folder / TASK_FILE).is_file()
    built_in = built_in_tasks()
    if name in built_in:
        if described:
            raise InputError(f"{folder / TASK_FILE}: {name} is a built-in task; rename the folder")
        row = built_in[name]
        if data_source == "files":
            return row.from_files(name, folder)
        if row.tfds is None:
            known = " | ".join(name for name, row in built_in.items() if row.tfds is not None)
            raise InputError(
                f"{name}: TensorFlow Datasets has no such task, but {known}; use data_source files,"
                " or a task.toml"
            )
        return row.from_tfds(name)
    if described:
        return custom_task(name, folder)
    custom = sorted(path.parent.name for path in root.glob(f"*/{TASK_FILE}"))
    raise InputError(
        f"unknown task {name!r}: it is not built in, and {folder / TASK_FILE} does not exist; the"
        f" nearest known one is {nearest(name, [*built_in, *custom])!r}"
    )
