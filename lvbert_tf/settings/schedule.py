"""At which steps a training run logs, evaluates, saves and gives up.

The schedule of the learning rate is in `training/schedules.py`.
"""

from dataclasses import dataclass

from lvbert_tf.hparams import AT_LEAST_0, POSITIVE, hparam


@dataclass(frozen=True, kw_only=True)
class LongRunHparams:
    """The hparams that matter to runs of days.

    Attributes:
      max_hours: the hours after which the run saves and stops; None: it ends after the last step.
      max_skipped_steps: see `Schedule`.
    """

    max_hours: float | None = hparam(
        None, POSITIVE, "save and stop after this time with exit code 143, as SIGTERM does"
    )
    max_skipped_steps: int = hparam(
        10, AT_LEAST_0, "most steps in a row to skip because loss or gradient is not finite"
    )


@dataclass(frozen=True)
class Schedule:
    """At which steps the training loop logs, evaluates, saves and gives up.

    Attributes:
      num_train_steps: the last step.
      log_steps: steps between lines of the log.
      eval_every_steps: steps between evaluations; 0 means only one, after the last step.
      save_checkpoints_steps: steps between checkpoints.
      iterations_per_loop: the highest number of steps in one call of the step function.
      max_skipped_steps: the highest number of steps in a row that may be skipped because their loss or
        gradient is not finite. One more ends the run.
    """

    num_train_steps: int
    log_steps: int
    eval_every_steps: int
    save_checkpoints_steps: int
    iterations_per_loop: int
    max_skipped_steps: int = 0

    def next_event(self, step: int) -> int:
        """The first step after `step` at which the loop logs, evaluates or saves."""
        periods = (self.log_steps, self.eval_every_steps, self.save_checkpoints_steps)
        ahead = [(step // period + 1) * period for period in periods if period]
        return min(*ahead, self.num_train_steps)

    def logs_at(self, step: int) -> bool:
        """Whether a line of the log is due after this step."""
        return self._due(step, self.log_steps)

    def evaluates_at(self, step: int) -> bool:
        """Whether an evaluation is due after this step."""
        return self._due(step, self.eval_every_steps)

    def saves_at(self, step: int) -> bool:
        """Whether a checkpoint is due after this step."""
        return self._due(step, self.save_checkpoints_steps)

    def _due(self, step: int, period: int) -> bool:
        return step > 0 and (step == self.num_train_steps or (period > 0 and step % period == 0))
