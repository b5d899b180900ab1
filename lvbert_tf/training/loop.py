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
from lvbert_tf.training.reporter import Reporter
from lvbert_tf.training.signals import StopRequest

SECONDS_BETWEEN_CHECKS = 5.0  # a stop request waits at most about this long


class NonFiniteLoss(RuntimeError):
    """The loss or the gradient is not finite, so the weights in memory are of no use."""


@dataclass
class HostState:
    """The state of the loop that a checkpoint keeps, as JSON.

    Attributes:
      sums: the sums of metrics since the last line of the log, float64, by name.
      evaluated_step: the step of the last evaluation that was finished; -1 if there was none.
      variable: holds the JSON; checkpoints save and restore it.
    """

    sums: dict[str, np.ndarray] = field(default_factory=dict)
    evaluated_step: int = -1
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

    def take(self) -> dict[str, np.ndarray]:
        """Returns the sums and sets them back to zero."""
        sums, self.sums = self.sums, {}
        return sums

    def store(self) -> None:
        """Writes the state into the variable that checkpoints save."""
        sums = {name: total.tolist() for name, total in self.sums.items()}
        self.variable.assign(json.dumps({"sums": sums, "evaluated_step": self.evaluated_step}))

    def load(self) -> None:
        """Reads the state from the variable, after a checkpoint was restored."""
        saved = json.loads(self.variable.numpy())
        self.sums = {name: np.asarray(total) for name, total in saved.get("sums", {}).items()}
        self.evaluated_step = saved.get("evaluated_step", -1)


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
    agree: Callable[[bool, int], tuple[bool, int]] = lambda stop, steps: (stop, steps),
) -> bool:
    """Trains from the step where `steps` is to `schedule.num_train_steps`, or until a stop is requested.

    The order is log, evaluate, save, so a checkpoint of a step implies that its lines of the log are
    written. How many steps a call does depends on the clock; the numbers do not depend on it.

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
        returns what all workers do together; see `distribution.agreement`.

    Returns:
      True if training is complete, False if it was stopped and saved.

    Raises:
      NonFiniteLoss: the loss or the gradient is not finite. Nothing was saved since the last good
        checkpoint.
    """
    pace, step = Pace(), steps.step

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
            schedule.iterations_per_loop,
            pace.affordable_steps(),
        )
        stopping, count = agree(bool(stop), wanted)
        if stopping:
            save()
            return False
        logs = schedule.logs_at(step + count)
        start = time.monotonic()
        if logs or not pace.compiled:  # the first call compiles everything that later ones need
            records, norms = steps.run_measured(batches, count)
        else:
            records, norms = steps.run(batches, count), {}
        pace.add(count, time.monotonic() - start)
        failure = records.first_failure()
        if failure is not None:
            raise NonFiniteLoss(_failure_message(step + failure + 1, checkpoints))
        state.add(records.sums)
        step += count
        reporter.progress(step, float(records.loss[-1]), pace.steps_per_second)
        if logs:
            norms = {"gradient_norm": float(records.gradient_norm[-1]), **norms}
            reporter.trained(step, state.take(), norms, pace.take_steps_per_second())
        evaluate_if_due()
        if schedule.saves_at(step):
            save()
    return state.evaluated_step == step


def _failure_message(step: int, checkpoints: Checkpoints) -> str:
    saved = checkpoints.steps()
    good = f"{checkpoints.path(saved[-1])} (step {saved[-1]})" if saved else "none was written yet"
    return (
        f"the loss or its gradient is not finite at step {step}; the last good checkpoint is"
        f" {good}, and nothing was saved over it; a lower learning_rate or precision float32 may help"
    )
