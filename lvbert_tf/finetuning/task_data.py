"""The examples of a run's tasks. All are read before anything is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.parts import DataSettings
from lvbert_tf.finetuning.task_examples import TextExample
from lvbert_tf.finetuning.tasks.task import Example, Reading, Role, Task
from lvbert_tf.finetuning.tasks.text_examples import double_unordered


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

    @property
    def skipped(self) -> dict[str, int]:
        """The number of rows left out, by split, where there are any."""
        return {name: reading.skipped for name, reading in self.readings.items() if reading.skipped}


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
