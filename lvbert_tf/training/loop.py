"""The training loop on the host: how many steps to run next, and what to do between them."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from lvbert_tf.settings.schedule import Schedule
from lvbert_tf.training.checkpoints import Checkpoints
from lvbert_tf.training.profiler import NO_PROFILE, Profiler
from lvbert_tf.training.reporter import Reporter
from lvbert_tf.training.signals import StopRequest
from lvbert_tf.training.workers import Agree

SECONDS_BETWEEN_CHECKS = 5.0  # a stop request waits at most about this long
_COUNTS = ("evaluated_step", "skipped_steps", "failed_in_a_row")  # in the JSON of `HostState`


class NonFiniteLoss(RuntimeError):
    """The loss or the gradient is not finite in more steps in a row than may be skipped."""


@dataclass
class HostState:
    """The state of the loop that a checkpoint keeps, as JSON.

    Attributes:
      sums: the sums of metrics since the last line of the log, float64, by name.
      evaluated_step: the step of the last evaluation that was finished; -1 if there was none.
      skipped_steps: the number of steps that were skipped since the start of the run, because loss or
        gradient was not finite.
      failed_in_a_row: how many of the last steps were skipped one after the other. Steps that a lower
        loss scale of float16 can explain are not counted.
      variable: holds the JSON; checkpoints save and restore it.
    """

    sums: dict[str, np.ndarray] = field(default_factory=dict)
    evaluated_step: int = -1
    skipped_steps: int = 0
    failed_in_a_row: int = 0
    variable: tf.Variable = field(init=False)

    def __post_init__(self) -> None:
        with tf.device("CPU:0"):
            self.variable = tf.Variable("{}", dtype=tf.string, trainable=False)

    def add(self, sums: dict[str, np.ndarray]) -> None:
        """Adds metric sums row by row, so that the rounding does not depend on the grouping of steps."""
        for name, rows in sums.items():
            total = self.sums.get(name)
            if total is None or total.shape != rows.shape[1:]:  # or saved by another version
                total = np.zeros(rows.shape[1:])
            for row in rows:
                total = total + row
            self.sums[name] = total

    def count_skipped(self, records: Any, most: int) -> int | None:
        """Counts the steps that were skipped, row by row.

        Args:
          records: what consecutive steps computed, such as `training.step.StepRecords`.
          most: the highest number that `failed_in_a_row` may reach.

        Returns:
          the first row that exceeds it, or None.
        """
        for row, (skipped, failed) in enumerate(zip(records.skipped, records.failed, strict=True)):
            self.skipped_steps += int(skipped)
            if failed:
                self.failed_in_a_row += 1
            elif not skipped:
                self.failed_in_a_row = 0
            if self.failed_in_a_row > most:
                return row
        return None

    def take(self) -> dict[str, np.ndarray]:
        """Returns the sums and sets them back to zero."""
        sums, self.sums = self.sums, {}
        return sums

    def store(self) -> None:
        """Writes the state into the variable that checkpoints save."""
        sums = {name: total.tolist() for name, total in self.sums.items()}
        counts = {name: getattr(self, name) for name in _COUNTS}
        self.variable.assign(json.dumps({"sums": sums, **counts}))

    def load(self) -> None:
        """Reads the state from the variable, after a checkpoint was restored."""
        saved = json.loads(self.variable.numpy())
        self.sums = {name: np.asarray(total) for name, total in saved.get("sums", {}).items()}
        for name in _COUNTS:
            setattr(self, name, saved.get(name, getattr(self, name)))


class Pace:
    """Measures how fast steps run, without the first call, which compiles."""

    def __init__(self) -> None:
        self._seconds_a_step: float | None = None
        self.compiled = False
        self._steps = 0
        self._seconds = 0.0

    def affordable_steps(self) -> int:
        """How many steps take about `SECONDS_BETWEEN_CHECKS`."""
        if self._seconds_a_step is None:
            return 1
        return max(1, int(SECONDS_BETWEEN_CHECKS / self._seconds_a_step))

    @property
    def steps_per_second(self) -> float | None:
        """The rate of the last call; None until a call has run without compiling."""
        return 1.0 / self._seconds_a_step if self._seconds_a_step else None

    def add(self, steps: int, seconds: float) -> None:
        """Records that a call of the step function did so many steps in so many seconds."""
        if not self.compiled:
            self.compiled = True
            return
        self._seconds_a_step = seconds / steps
        self._steps += steps
        self._seconds += seconds

    def take_steps_per_second(self) -> float | None:
        """The mean rate since this method was called before; None if only compilation has run."""
        rate = self._steps / self._seconds if self._seconds else None
        self._steps, self._seconds = 0, 0.0
        return rate


class Steps(Protocol):
    """What the loop runs, such as a `training.step.TrainingStep`. The loop only passes `batches` on."""

    @property
    def step(self) -> int: ...

    def run(self, batches: Any, steps: int) -> Any: ...

    def run_measured(self, batches: Any, steps: int) -> tuple[Any, dict[str, float]]: ...


def train(
    steps: Steps,
    batches: Any,
    schedule: Schedule,
    checkpoints: Checkpoints,
    state: HostState,
    reporter: Reporter,
    stop: StopRequest,
    evaluate: Callable[[int], bool] = lambda step: True,
    agree: Agree = lambda stop, steps: (stop, steps),
    profiler: Profiler = NO_PROFILE,
) -> bool:
    """Trains from the step where `steps` is to `schedule.num_train_steps`, or until a stop is requested.

    The order is log, evaluate, save, so a checkpoint of a step implies that its lines of the log are
    written. How many steps a call does depends on the clock; the numbers do not depend on it.

    While steps are skipped one after the other, the weights may be to blame. So until a step succeeds
    again, a checkpoint that is due and a stop request wait; only the last step is saved in any case.

    Args:
      steps: does the training steps.
      batches: passed to `steps`.
      schedule: at which steps the loop logs, evaluates and saves.
      checkpoints: where the state is saved.
      state: the state of the loop, restored if the run continues.
      reporter: reports progress after every call of the step function, and metrics where a line of
        the log is due.
      stop: whether a stop is requested.
      evaluate: called with the step where an evaluation is due. It must not change the model. It
        returns whether the evaluation was finished, which it is not if a stop was requested meanwhile.
      agree: called as (is a stop requested, steps wanted) before every call of the step function. It
        returns what all workers do together; see `workers.agreement`.
      profiler: records `schedule.profile_steps`, or nothing. The caller closes it.

    Returns:
      True if training is complete, False if it was stopped and saved.

    Raises:
      NonFiniteLoss: the loss or the gradient is not finite in more than `schedule.max_skipped_steps`
        steps in a row. Nothing was saved since the first of them.
    """
    pace, step, save_is_due = Pace(), steps.step, False

    def save() -> None:
        state.store()
        checkpoints.save(step)

    def evaluate_if_due() -> None:
        if schedule.evaluates_at(step) and state.evaluated_step != step and evaluate(step):
            state.evaluated_step = step

    evaluate_if_due()
    while step < schedule.num_train_steps:
        wanted = min(
            schedule.next_event(step) - step,
            schedule.longest_call(step),
            pace.affordable_steps(),
        )
        stopping, count = agree(bool(stop) and not state.failed_in_a_row, wanted)
        if stopping:
            save()
            return False
        logs = schedule.logs_at(step + count)
        start = time.monotonic()
        with profiler.around(step):
            if logs or not pace.compiled:  # the first call compiles everything that later ones need
                records, norms = steps.run_measured(batches, count)
            else:
                records, norms = steps.run(batches, count), {}
        pace.add(count, time.monotonic() - start)
        failure = state.count_skipped(records, schedule.max_skipped_steps)
        if failure is not None:
            raise NonFiniteLoss(
                _failure_message(step + failure + 1, schedule.max_skipped_steps, checkpoints)
            )
        finite = np.isfinite(records.loss)
        state.add({name: rows[finite] for name, rows in records.sums.items()})
        step += count
        loss, skipped = float(records.loss[-1]), state.skipped_steps
        reporter.progress(step, loss, pace.steps_per_second, skipped)
        if logs:
            norms = {"gradient_norm": float(records.gradient_norm[-1]), **norms}
            reporter.trained(step, state.take(), norms, pace.take_steps_per_second(), skipped)
        evaluate_if_due()
        save_is_due = save_is_due or schedule.saves_at(step)
        if save_is_due and (not state.failed_in_a_row or step == schedule.num_train_steps):
            save()
            save_is_due = False
    return state.evaluated_step == step


def _failure_message(step: int, skipped: int, checkpoints: Checkpoints) -> str:
    saved = checkpoints.steps()
    good = f"{checkpoints.path(saved[-1])} (step {saved[-1]})" if saved else "none was written yet"
    before = f" nor in the {skipped} steps before, which were skipped" if skipped else ""
    return (
        f"the loss or its gradient is not finite at step {step}{before}; the last good checkpoint is"
        f" {good}, and nothing was saved over it; the same command would fail again, but a lower"
        " learning_rate or precision float32 may help"
    )
