"""What all parts of a fine-tuning run share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf

from lvbert_tf.finetuning.task_data import TaskData
from lvbert_tf.training.signals import StopRequest
from lvbert_tf.training.workers import Agree


@dataclass(frozen=True)
class RunContext:
    """The tasks of a run, the devices, and its connection to the user and to other workers.

    Args:
      data: the tasks and their examples, by the task's name.
      strategy: the devices to compute on.
      stop: whether the user has asked the run to save and stop.
      agree: makes all workers decide alike; see `workers.agreement`.
      chief: whether this process writes files.
      say: called with lines for the user.
    """

    data: Mapping[str, TaskData]
    strategy: tf.distribute.Strategy
    stop: StopRequest
    agree: Agree
    chief: bool
    say: Callable[[str], None]

    def agree_to_stop(self) -> bool:
        """Whether any worker was asked to stop.

        All workers wait for each other in it, so all must call it equally often.
        """
        return self.agree(bool(self.stop), 0)[0]
