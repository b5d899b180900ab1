"""At which steps a training run logs, evaluates, saves and gives up.

The schedule of the learning rate is in `training/schedules.py`.
"""
# ruff: noqa: RUF009 - hparam() makes a dataclass field; it is no shared default

import re
from dataclasses import dataclass

from lvbert_tf.errors import InputError
from lvbert_tf.hparams import AT_LEAST_0, POSITIVE, hparam


@dataclass(frozen=True)
class StepRange:
    """The steps between two moments of a run, written as START:STOP.

    Attributes:
      start: the number of steps that are done before them.
      stop: the last of them.
    """

    start: int
    stop: int

    def __contains__(self, step: int) -> bool:
        """Whether the step that follows after `step` steps is one of them."""
        return self.start <= step < self.stop

    def __str__(self) -> str:
        return f"{self.start}:{self.stop}"

    @classmethod
    def parse(cls, value: object) -> "StepRange":
        """Reads START:STOP.

        Raises:
          InputError: it is something else, or there are no such steps.
        """
        if isinstance(value, cls):
            return value
        found = re.fullmatch(r"(\d{1,18}):(\d{1,18})", value) if isinstance(value, str) else None
        if found is None or int(found[1]) >= int(found[2]):
            raise InputError(
                f"expected START:STOP with START < STOP, such as 100:110; got {value!r}"
            )
        return cls(int(found[1]), int(found[2]))


@dataclass(frozen=True, kw_only=True)
class LongRunHparams:
    """The hparams that matter to runs of days.

    Attributes:
      deterministic: whether GPUs compute the same numbers in each run; see `make_deterministic`.
      max_hours: the hours after which the run saves and stops; None: it ends after the last step.
      max_skipped_steps, profile_steps: see `Schedule`.
    """

    deterministic: bool = hparam(False, doc="the same numbers in each run on GPUs, more slowly")
    max_hours: float | None = hparam(
        None, POSITIVE, "save and stop after this time with exit code 143, as SIGTERM does"
    )
    max_skipped_steps: int = hparam(
        10, AT_LEAST_0, "most steps in a row to skip because loss or gradient is not finite"
    )
    profile_steps: StepRange | None = hparam(
        None, doc="START:STOP: profile the steps after START up to STOP for TensorBoard"
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
      profile_steps: the steps that are profiled, each in a call by itself; None profiles none.
    """

    num_train_steps: int
    log_steps: int
    eval_every_steps: int
    save_checkpoints_steps: int
    iterations_per_loop: int
    max_skipped_steps: int = 0
    profile_steps: StepRange | None = None

    def next_event(self, step: int) -> int:
        """The first step after `step` at which the loop logs, evaluates, saves or starts a profile."""
        periods = (self.log_steps, self.eval_every_steps, self.save_checkpoints_steps)
        ahead = [(step // period + 1) * period for period in periods if period]
        if self.profile_steps is not None and step < self.profile_steps.start:
            ahead.append(self.profile_steps.start)
        return min(*ahead, self.num_train_steps)

    def longest_call(self, step: int) -> int:
        """The highest number of steps in the call of the step function that starts after `step`."""
        profiled = self.profile_steps is not None and step in self.profile_steps
        return 1 if profiled else self.iterations_per_loop

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
        ended = (
            step >= self.num_train_steps
        )  # beyond it, if there were to be more steps when it was saved
        return step > 0 and (ended or (period > 0 and step % period == 0))
