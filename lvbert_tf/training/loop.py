"""The host's part of training: how many steps to run next, and what to do in between."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from lvbert_tf.config import PretrainingConfig
from lvbert_tf.training.checkpoints import Checkpoints
from lvbert_tf.training.signals import StopRequest

SECONDS_BETWEEN_CHECKS = 5.0  # a stop request waits at most about this long


class NonFiniteLoss(RuntimeError):
    """The loss or the gradient is not a number; the weights in memory are worthless."""


@dataclass(frozen=True)
class Schedule:
    """When things happen, in steps; 0 for `eval_every_steps` means only at the end."""

    total_steps: int
    log_steps: int
    eval_every_steps: int
    save_checkpoints_steps: int
    iterations_per_loop: int

    @classmethod
    def from_config(cls, config: PretrainingConfig) -> "Schedule":
        return cls(
            config.num_train_steps,
            config.log_steps,
            config.eval_every_steps,
            config.save_checkpoints_steps,
            config.iterations_per_loop,
        )

    def next_event(self, step: int) -> int:
        """The first step after `step` at which something is due."""
        periods = (self.log_steps, self.eval_every_steps, self.save_checkpoints_steps)
        ahead = [(step // period + 1) * period for period in periods if period]
        return min(*ahead, self.total_steps)

    def logs_at(self, step: int) -> bool:
        return self._due(step, self.log_steps)

    def evaluates_at(self, step: int) -> bool:
        return self._due(step, self.eval_every_steps)

    def saves_at(self, step: int) -> bool:
        return self._due(step, self.save_checkpoints_steps)

    def _due(self, step: int, period: int) -> bool:
        return step > 0 and (step == self.total_steps or (period > 0 and step % period == 0))


@dataclass
class HostState:
    """What the host must remember over a restart; lives in the checkpoint as JSON.

    Attributes:
      sums: metric sums since the last log line, float64 by name.
      evaluated_step: the step of the last finished evaluation.
    """

    sums: dict[str, np.ndarray] = field(default_factory=dict)
    evaluated_step: int = -1
    variable: tf.Variable = field(init=False)

    def __post_init__(self) -> None:
        with tf.device("CPU:0"):
            self.variable = tf.Variable("{}", dtype=tf.string, trainable=False)

    def add(self, sums: dict[str, np.ndarray]) -> None:
        """Adds rows of metric sums, one by one so that the rounding is always the same."""
        for name, rows in sums.items():
            total = self.sums.get(name)
            if total is None or total.shape != rows.shape[1:]:  # or saved by another version
                total = np.zeros(rows.shape[1:])
            for row in rows:
                total = total + row
            self.sums[name] = total

    def take(self) -> dict[str, np.ndarray]:
        """Returns the sums and starts again from nothing."""
        sums, self.sums = self.sums, {}
        return sums

    def store(self) -> None:
        """Puts the state where the next checkpoint takes it from."""
        sums = {name: total.tolist() for name, total in self.sums.items()}
        self.variable.assign(json.dumps({"sums": sums, "evaluated_step": self.evaluated_step}))

    def load(self) -> None:
        """Reads the state that a checkpoint was restored to."""
        saved = json.loads(self.variable.numpy())
        self.sums = {name: np.asarray(total) for name, total in saved.get("sums", {}).items()}
        self.evaluated_step = saved.get("evaluated_step", -1)


class Pace:
    """How fast steps go, the first call (compilation) left out."""

    def __init__(self) -> None:
        self._seconds_a_step: float | None = None
        self.compiled = False
        self._steps = 0
        self._seconds = 0.0

    def affordable_steps(self) -> int:
        """Steps to run before looking at the world again."""
        if self._seconds_a_step is None:
            return 1
        return max(1, int(SECONDS_BETWEEN_CHECKS / self._seconds_a_step))

    @property
    def steps_per_second(self) -> float | None:
        """Over the last call; None until one has run without compiling."""
        return 1.0 / self._seconds_a_step if self._seconds_a_step else None

    def add(self, steps: int, seconds: float) -> None:
        """Notes how long a call of the step function took."""
        if not self.compiled:
            self.compiled = True
            return
        self._seconds_a_step = seconds / steps
        self._steps += steps
        self._seconds += seconds

    def take_steps_per_second(self) -> float | None:
        """Mean since the last call; None if there is nothing but compilation to go by."""
        rate = self._steps / self._seconds if self._seconds else None
        self._steps, self._seconds = 0, 0.0
        return rate


class Steps(Protocol):
    """What the loop drives: see `training.step.TrainingStep`. Only it looks into `batches`."""

    @property
    def step(self) -> int: ...

    def run(self, batches: Any, steps: int) -> Any: ...

    def run_measured(self, batches: Any, steps: int) -> tuple[Any, dict[str, float]]: ...


@dataclass(frozen=True)
class Hooks:
    """What happens at the events. None may change the model.

    Attributes:
      progress: (step, loss of that step, steps a second if known), after every call of the step
        function.
      log: (step, metric sums since the last line, further figures).
      evaluate: step -> whether it was finished; not if a stop was requested meanwhile.
      agree: (stop requested?, steps wanted) -> what all workers do.
    """

    progress: Callable[[int, float, float | None], None]
    log: Callable[[int, dict[str, np.ndarray], dict[str, float | None]], None]
    evaluate: Callable[[int], bool]
    agree: Callable[[bool, int], tuple[bool, int]] = lambda stop, steps: (stop, steps)


def train(
    steps: Steps,
    batches: Any,
    schedule: Schedule,
    checkpoints: Checkpoints,
    state: HostState,
    hooks: Hooks,
    stop: StopRequest,
) -> bool:
    """Trains from where `steps` is to `schedule.total_steps`, or until stopped.

    At an event the order is log, evaluate, save: a checkpoint of a step implies the lines before it.
    How the steps are grouped depends on the clock; the numbers do not depend on the grouping.

    Returns:
      whether training is complete; if not it was stopped, and has been saved.

    Raises:
      NonFiniteLoss: nothing was saved since the last good checkpoint.
    """
    pace, step = Pace(), steps.step

    def save() -> None:
        state.store()
        checkpoints.save(step)

    def evaluate_if_due() -> None:
        if schedule.evaluates_at(step) and state.evaluated_step != step and hooks.evaluate(step):
            state.evaluated_step = step

    evaluate_if_due()
    while step < schedule.total_steps:
        wanted = min(
            schedule.next_event(step) - step,
            schedule.iterations_per_loop,
            pace.affordable_steps(),
        )
        stopping, count = hooks.agree(bool(stop), wanted)
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
        hooks.progress(step, float(records.loss[-1]), pace.steps_per_second)
        if logs:
            gradient_norm, rate = float(records.gradient_norm[-1]), pace.take_steps_per_second()
            figures = {"gradient_norm": gradient_norm, **norms, "steps_per_second": rate}
            hooks.log(step, state.take(), figures)
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
