"""What every part of a fine-tuning run needs to know of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.finetuning.task_data import TaskData
from lvbert_tf.training.signals import StopRequest


@dataclass(frozen=True)
class RunContext:
    """A run of the program.

    Args:
      config: its settings.
      data: its tasks' examples, by task.
      strategy: where to compute.
      stop: asks to save and leave.
      agree: see `distribution.agreement`.
      chief: whether this process writes.
      say: called with lines for the user.
    """

    config: FinetuningConfig
    data: Mapping[str, TaskData]
    strategy: tf.distribute.Strategy
    stop: StopRequest
    agree: Callable[[bool, int], tuple[bool, int]]
    chief: bool
    say: Callable[[str], None]

    def stopped(self) -> bool:
        """Whether any worker was asked to stop; all workers must call it equally often."""
        return self.agree(bool(self.stop), 0)[0]
