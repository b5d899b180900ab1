"""From what a training loop measures to the lines of a run's log."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lvbert_tf.training.logs import EVAL, TRAIN, TrainingLog
from lvbert_tf.training.precision import LossScale


@dataclass(frozen=True)
class Reporter:
    """Reports the progress and the metrics of a training loop. It does not change the model.

    Attributes:
      log: where the lines go.
      summarize: turns metric sums of several steps into metrics.
      learning_rate: the schedule: from the number of updates made so far to the rate of the next one.
      loss_scale: its value is reported where it is dynamic.
      batch_size: examples of a step.
      peak_rate: the examples a second that the hardware's fastest matrix products would allow. None
        leaves `share_of_peak` out of the metrics.
    """

    log: TrainingLog
    summarize: Callable[[Mapping[str, np.ndarray]], Mapping[str, float]]
    learning_rate: Callable[[int], Any]
    loss_scale: LossScale
    batch_size: int
    peak_rate: float | None = None

    def progress(
        self, step: int, loss: float, steps_per_second: float | None, skipped: int
    ) -> None:
        """Moves the progress bar.

        Args:
          step: the last step that was done.
          loss: the loss of that step.
          steps_per_second: the rate of the last call; None if it is not known yet.
          skipped: the number of skipped steps since the start of the run.
        """
        examples_per_second = steps_per_second and steps_per_second * self.batch_size
        self.log.progress(step, loss, examples_per_second, skipped)

    def trained(
        self,
        step: int,
        sums: Mapping[str, np.ndarray],
        norms: Mapping[str, float],
        steps_per_second: float | None,
        skipped: int,
    ) -> None:
        """Writes the metrics of the steps since the last line.

        Args:
          step: the last step that was done.
          sums: metric sums of those of these steps whose loss is finite.
          norms: the norms of that step's gradient, parameters and update, by name.
          steps_per_second: the mean rate of these steps; None if only compilation has run.
          skipped: the number of skipped steps since the start of the run.

        Raises:
          InputError: they cannot be written, for example on a full disk.
        """
        # The rate of the update that made this step, not of the next one.
        rate = float(self.learning_rate(step - 1))
        values = {**self.summarize(sums), "learning_rate": rate, **norms, "skipped_steps": skipped}
        if steps_per_second:
            values["examples_per_second"] = steps_per_second * self.batch_size
            if self.peak_rate:
                values["share_of_peak"] = values["examples_per_second"] / self.peak_rate
        if self.loss_scale.dynamic:
            values["loss_scale"] = float(self.loss_scale.scale.numpy())
        self.log.metrics(step, TRAIN, values)

    def evaluated(self, step: int, metrics: Mapping[str, Any], text: str) -> None:
        """Writes the metrics of an evaluation, and prints `text` above the progress bar.

        Raises:
          InputError: they cannot be written, for example on a full disk.
        """
        self.log.metrics(step, EVAL, metrics)
        self.log.message(text)
