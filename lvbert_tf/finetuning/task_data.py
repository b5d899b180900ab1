"""The examples of a run's tasks, all read before anything is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.examples import TextExample
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.finetuning.tasks.task import Example, Reading, Role, Task
from lvbert_tf.finetuning.tasks.text_examples import double_unordered


@dataclass(frozen=True)
class TaskData:
    """A task and its examples.

    Args:
      task: what is learned.
      readings: by the names of the splits that the run needs.
    """

    task: Task
    readings: Mapping[str, Reading]

    def examples(self, split: str) -> tuple[Example, ...]:
        """Those of a split that was read."""
        return self.readings[split].examples

    def training_examples(self, double: bool) -> tuple[Example, ...]:
        """Those of the training split.

        Args:
          double: whether pairs without an order come both ways round.
        """
        examples = self.examples("train")
        if double and self.task.unordered:
            pairs = [example for example in examples if isinstance(example, TextExample)]
            return tuple(double_unordered(pairs))
        return examples

    @property
    def skipped(self) -> dict[str, int]:
        """Rows left out, by split, where there are any."""
        return {name: reading.skipped for name, reading in self.readings.items() if reading.skipped}


def read_task_data(task: Task, config: FinetuningConfig, say: Callable[[str], None]) -> TaskData:
    """Reads the splits that a configuration needs.

    Args:
      say: called with a line for every split that has bad rows.

    Raises:
      InputError: a split is missing, empty or has a bad row (see `Task.read`).
    """
    wanted: list[tuple[Role, bool]] = [
        ("train", config.do_train),
        ("dev", config.do_eval),
        ("test", config.write_test_outputs),
    ]
    readings = {}
    for role, needed in wanted:
        for split in task.splits_of(role) if needed else ():
            reading = task.read(split, config.skip_bad_rows)
            readings[split] = reading
            if reading.skipped:
                say(
                    f"warning: {task.name}: {reading.skipped} bad rows of {split} are left out,"
                    f" the first: {reading.first_skipped}"
                )
    if config.write_test_outputs and not task.splits_of("test"):
        raise InputError(f"write_test_outputs: {task.name} has no test split")
    return TaskData(task, readings)
