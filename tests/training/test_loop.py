import os
import signal
from dataclasses import dataclass

import numpy as np
import pytest

from lvbert_tf.training import loop
from lvbert_tf.training.signals import StopRequest


@dataclass
class Records:
    loss: np.ndarray
    bad: int | None = None

    def __post_init__(self):
        self.sums = {"loss": self.loss, "histogram": np.stack([self.loss, -self.loss], axis=1)}
        self.gradient_norm = self.loss

    def first_failure(self):
        return self.bad


class Steps:
    """Step number s has loss 1 / s, exact to float32 as a real one's."""

    def __init__(self, step=0, bad_step=None):
        self.step, self.bad_step, self.calls = step, bad_step, []

    def run(self, iterator, steps):
        numbers = np.arange(self.step + 1, self.step + steps + 1)
        self.step += steps
        self.calls.append(steps)
        bad = np.flatnonzero(numbers == self.bad_step)
        return Records((1 / numbers).astype(np.float32), int(bad[0]) if len(bad) else None)

    def run_measured(self, iterator, steps):
        return self.run(iterator, steps), {"update_norm": 0.5}


class Checkpoints:
    def __init__(self, events):
        self.events, self.saved = events, []

    def steps(self):
        return self.saved

    def path(self, step):
        return f"step-{step}"

    def save(self, step):
        if step not in self.saved:
            self.saved.append(step)
            self.events.append(("save", step))


SCHEDULE = loop.Schedule(
    total_steps=20,
    log_steps=6,
    eval_every_steps=9,
    save_checkpoints_steps=10,
    iterations_per_loop=4,
)


def train(steps, schedule=SCHEDULE, state=None, stop=None, on_progress=None, evaluated=True):
    events, lines = [], {}
    stop = StopRequest() if stop is None else stop
    checkpoints = Checkpoints(events)
    state = state or loop.HostState()

    def log(step, sums, figures):
        events.append(("log", step))
        lines[step] = sums

    def evaluate(step):
        events.append(("evaluate", step))
        return evaluated

    def progress(step, loss, steps_per_second):
        if on_progress:
            on_progress(step)

    hooks = loop.Hooks(progress, log, evaluate)
    complete = loop.train(steps, iter(()), schedule, checkpoints, state, hooks, stop)
    return complete, events, lines, state


def test_events_come_in_order_and_calls_are_short():
    steps = Steps()
    complete, events, _, _ = train(steps)
    assert complete
    assert events == [
        ("log", 6),
        ("evaluate", 9),
        ("save", 10),
        ("log", 12),
        ("log", 18),
        ("evaluate", 18),
        ("log", 20),
        ("evaluate", 20),
        ("save", 20),
    ]
    assert steps.step == 20
    assert steps.calls[0] == 1
    assert max(steps.calls) <= SCHEDULE.iterations_per_loop


def test_evaluates_only_at_the_end_by_default():
    _, events, _, _ = train(Steps(), loop.Schedule(5, 10, 0, 10, 10))
    assert events == [("log", 5), ("evaluate", 5), ("save", 5)]


def test_slow_steps_return_often(monkeypatch):
    steps = Steps()
    monkeypatch.setattr(loop.time, "monotonic", lambda: 2.0 * steps.step)  # 2 seconds a step
    train(steps, loop.Schedule(20, 100, 0, 100, 100))
    assert steps.calls[:4] == [1, 1, 2, 2]
    assert max(steps.calls) == 2


@pytest.mark.parametrize("stop_at", [1, 5, 8, 13])
def test_stopped_and_continued_logs_the_same_sums(stop_at):
    _, _, whole, _ = train(Steps())
    stop = StopRequest()

    def interrupt(step):
        if step >= stop_at:
            stop.signal = signal.SIGTERM

    steps = Steps()
    complete, events, first, state = train(steps, stop=stop, on_progress=interrupt)
    assert not complete
    assert events[-1] == ("save", steps.step)
    saved = loop.HostState()
    saved.variable.assign(state.variable)
    saved.load()
    _, _, second, _ = train(Steps(steps.step), state=saved)
    both = first | second
    assert both.keys() == whole.keys()
    for step, sums in whole.items():
        for name, value in sums.items():
            np.testing.assert_array_equal(both[step][name], value)


def test_an_interrupted_evaluation_is_made_up_for():
    state = loop.HostState()
    complete, _, _, state = train(Steps(), state=state, evaluated=False)
    assert not complete
    complete, events, _, _ = train(Steps(20), state=state)
    assert complete
    assert ("evaluate", 20) in events


def test_a_failure_names_the_step_and_saves_nothing():
    with pytest.raises(loop.NonFiniteLoss, match=r"at step 14; .*step-10 \(step 10\)"):
        train(Steps(bad_step=14))
    with pytest.raises(loop.NonFiniteLoss, match=r"at step 3; .*none was written yet"):
        train(Steps(bad_step=3))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_are_noted_and_handlers_put_back(number, code):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
        assert stop.exit_code == code
    assert signal.getsignal(number) is before
