"""The examples of a run's tasks. All are read before anything is trained."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.parts import DataSettings
from lvbert_tf.finetuning.task_examples import TextExample
from lvbert_tf.finetuning.tasks.task import Example, Reading, Role, Task
from lvbert_tf.finetuning.tasks.text_examples import double_unordered

ROWS = "rows of "
"""What the name of a split follows in `TaskData.identity`."""


@dataclass(frozen=True)
class TaskData:
    """A task and its examples.

    Args:
      task: the task.
      readings: the splits that the run needs, by name.
    """

    task: Task
    readings: Mapping[str, Reading]

    def examples(self, split: str) -> tuple[Example, ...]:
        """The examples of a split that was read."""
        return self.readings[split].examples

    def identity(self) -> dict[str, Any]:
        """What the model and its scores depend on besides the training rows, in JSON's types.

        Dev and test rows are there as a hash for each split that was read.
        """
        task = self.task
        return {
            "kind": task.kind,
            "metrics": list(task.metrics),
            "labels": list(task.classes.names) if task.classes else None,
            "label_range": [task.label_range.low, task.label_range.high]
            if task.label_range
            else None,
            "tags": repr(task.tag_scheme),
            "unanswerable": task.unanswerable,
            "answer_rule": task.answer_rule,
            **{
                f"{ROWS}{split}": _hash(reading.examples)
                for split, reading in self.readings.items()
                if task.splits[split].role != "train"
            },
        }

    @property
    def skipped(self) -> dict[str, int]:
        """The number of rows left out, by split, where there are any."""
        return {name: reading.skipped for name, reading in self.readings.items() if reading.skipped}


def _hash(examples: Iterable[Example]) -> str:
    """SHA-256 of examples, wherever they come from."""
    digest = hashlib.sha256()
    for example in examples:
        names = (name for name in type(example).__slots__ if name != "location")
        digest.update(repr([getattr(example, name) for name in names]).encode())
    return digest.hexdigest()


def read_task_data(task: Task, settings: DataSettings, say: Callable[[str], None]) -> TaskData:
    """Reads the splits of a task that a run needs.

    Args:
      task: the task.
      settings: which splits, and how.
      say: called with a line for every split that has bad rows.

    Raises:
      InputError: a split is missing, empty or has a bad row (see `Task.read`).
    """
    wanted: list[tuple[Role, bool]] = [
        ("train", settings.do_train),
        ("dev", settings.do_eval),
        ("test", settings.write_test_outputs),
    ]
    readings = {}
    for role, needed in wanted:
        for split in task.splits_of(role) if needed else ():
            reading = task.read(split, settings.skip_bad_rows)
            if role == "train" and task.unordered and settings.double_unordered:
                pairs = [each for each in reading.examples if isinstance(each, TextExample)]
                reading = replace(reading, examples=tuple(double_unordered(pairs)))
            readings[split] = reading
            if reading.skipped:
                say(
                    f"warning: {task.name}: {reading.skipped} bad rows of {split} are left out,"
                    f" the first: {reading.first_skipped}"
                )
    if settings.write_test_outputs and not task.splits_of("test"):
        raise InputError(f"write_test_outputs: {task.name} has no test split")
    return TaskData(task, readings)
