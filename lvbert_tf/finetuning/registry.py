"""From the name of a task to the task."""

import difflib
import re
from pathlib import Path

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.bad_rows import shown
from lvbert_tf.finetuning.glue import GLUE_TASKS, glue_task
from lvbert_tf.finetuning.question_answering import SPAN_TASKS, span_task
from lvbert_tf.finetuning.tagging import TAGGING_TASKS, tagging_task
from lvbert_tf.finetuning.task import Task

_FAMILIES = ((GLUE_TASKS, glue_task), (SPAN_TASKS, span_task), (TAGGING_TASKS, tagging_task))
BUILT_IN_TASKS = tuple(name for names, _ in _FAMILIES for name in names)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def find_task(name: str, data_dir: str | Path) -> Task:
    """The built-in task of a name. Reads no examples.

    Args:
      data_dir: the directory with `finetuning_data/<name>/` for every task.

    Raises:
      InputError: there is no such task, with the nearest known name.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"task name {shown(name)}: use letters, digits, '.', '_' and '-'")
    for names, make in _FAMILIES:
        if name in names:
            return make(name, Path(data_dir) / "finetuning_data" / name)
    (nearest,) = difflib.get_close_matches(name, BUILT_IN_TASKS, n=1, cutoff=0.0)
    raise InputError(f"unknown task {name!r}; the nearest known one is {nearest!r}")
