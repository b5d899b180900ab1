import contextlib
import os
import signal
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from lvbert_tf.settings.schedule import Schedule, StepRange
from lvbert_tf.training import loop, signals
from lvbert_tf.training.profiler import Profiler
from lvbert_tf.training.signals import StopRequest


@dataclass
class Records:
    loss: np.ndarray

    def __post_init__(self):
        self.sums = {"loss": self.loss, "histogram": np.stack([self.loss, -self.loss], axis=1)}
        self.gradient_norm = self.loss
        self.skipped = self.failed = ~np.isfinite(self.loss)


class Steps:
    """Step number s has loss 1 / s, exact to float32 as a real one's."""

    def __init__(self, step=0, bad_steps=()):
        self.step, self.bad_steps, self.calls, self.measured = step, bad_steps, [], []

    def run(self, iterator, steps):
        numbers = np.arange(self.step + 1, self.step + steps + 1)
        self.step += steps
        self.calls.append(steps)
        loss = np.where(np.isin(numbers, self.bad_steps), np.nan, 1 / numbers)
        return Records(loss.astype(np.float32))

    def run_measured(self, iterator, steps):
        records = self.run(iterator, steps)
        self.measured.append(self.step)
        return records, {"update_norm": 0.5}


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


SCHEDULE = Schedule(
    num_train_steps=20,
    log_steps=6,
    eval_every_steps=9,
    save_checkpoints_steps=10,
    iterations_per_loop=4,
)


def train(steps, schedule=SCHEDULE, state=None, stop=None, on_progress=None, evaluated=True):
    events, lines, counts = [], {}, {}
    stop = StopRequest() if stop is None else stop
    checkpoints = Checkpoints(events)
    state = state or loop.HostState()

    def trained(step, sums, norms, steps_per_second, skipped):
        events.append(("log", step))
        counts[step] = skipped
        lines[step] = sums

    def evaluate(step):
        events.append(("evaluate", step))
        return evaluated

    def progress(step, loss, steps_per_second, skipped):
        if on_progress:
            on_progress(step)

    reporter = SimpleNamespace(progress=progress, trained=trained)
    complete = loop.train(
        steps, iter(()), schedule, checkpoints, state, reporter, stop, evaluate=evaluate
    )
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
    assert steps.measured == [1, 6, 12, 18, 20]


def test_evaluates_only_at_the_end_by_default():
    _, events, _, _ = train(Steps(), Schedule(5, 10, 0, 10, 10))
    assert events == [("log", 5), ("evaluate", 5), ("save", 5)]


def test_slow_steps_return_often(monkeypatch):
    steps = Steps()
    monkeypatch.setattr(loop.time, "monotonic", lambda: 2.0 * steps.step)  # 2 seconds a step
    train(steps, Schedule(20, 100, 0, 100, 100))
    assert steps.calls[:4] == [1, 1, 2, 2]
    assert max(steps.calls) == 2


def test_metrics_are_of_the_last_steps(monkeypatch):
    steps, losses, logged = Steps(), {}, {}
    # From step 6 on a step takes 2 seconds instead of 1.
    monkeypatch.setattr(loop.time, "monotonic", lambda: max(steps.step, 2.0 * steps.step - 6))
    reporter = SimpleNamespace(
        progress=lambda step, loss, rate, skipped: losses.update({step: loss}),
        trained=lambda step, sums, norms, rate, skipped: logged.update({step: (norms, rate)}),
    )
    loop.train(
        steps, iter(()), SCHEDULE, Checkpoints([]), loop.HostState(), reporter, StopRequest()
    )
    assert losses == {step: np.float32(1 / step) for step in losses}
    for step, rate in ((6, 1.0), (12, 0.5), (18, 0.5), (20, 0.5)):
        gradient_norm = np.float32(1 / step)
        assert logged[step] == ({"gradient_norm": gradient_norm, "update_norm": 0.5}, rate)


def test_steps_are_those_that_workers_agree_on():
    steps = Steps()
    reporter = SimpleNamespace(progress=lambda *_: None, trained=lambda *_: None)
    loop.train(
        steps,
        iter(()),
        SCHEDULE,
        Checkpoints([]),
        loop.HostState(),
        reporter,
        StopRequest(),
        agree=lambda stop, steps: (stop, 1),
    )
    assert steps.calls == [1] * 20


def test_sums_of_another_version_are_dropped():
    state = loop.HostState({"loss": np.ones(2)})
    state.add({"loss": np.ones((3, 4))})
    np.testing.assert_array_equal(state.take()["loss"], [3, 3, 3, 3])


@pytest.mark.parametrize("stop_at", [1, 5, 8, 9, 13])
def test_stopped_and_continued_logs_and_evaluates_the_same(stop_at):
    _, all_events, whole, _ = train(Steps())
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
    _, later_events, second, _ = train(Steps(steps.step), state=saved)
    for kind in ("log", "evaluate"):
        assert [e for e in events + later_events if e[0] == kind] == [
            e for e in all_events if e[0] == kind
        ]
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


@pytest.mark.parametrize("evaluated", [-1, 18, 20])
def test_a_run_that_was_saved_beyond_its_last_step_is_complete(evaluated):
    """It was to have more steps when it was stopped."""
    complete, events, _, state = train(Steps(23), state=loop.HostState(evaluated_step=evaluated))
    assert complete and state.evaluated_step == 23
    assert events == [("evaluate", 23)]


def test_a_failure_names_the_step_and_saves_nothing():
    with pytest.raises(loop.NonFiniteLoss, match=r"at step 14; .*step-10 \(step 10\)"):
        train(Steps(bad_steps=[14]), replace(SCHEDULE, save_checkpoints_steps=5))
    with pytest.raises(loop.NonFiniteLoss, match=r"at step 3; .*none was written yet"):
        train(Steps(bad_steps=[3]))


@pytest.mark.parametrize("iterations", [1, 4, 20])
def test_as_many_steps_in_a_row_are_skipped_as_allowed(iterations, monkeypatch):
    monkeypatch.setattr(loop.Pace, "affordable_steps", lambda pace: 20)
    schedule = replace(SCHEDULE, iterations_per_loop=iterations, max_skipped_steps=2)
    complete, _, lines, state = train(Steps(bad_steps=[2, 3, 5, 9, 10]), schedule)
    assert complete
    assert (state.skipped_steps, state.failed_in_a_row) == (5, 0)
    assert lines[6]["loss"] == pytest.approx(1 + 1 / 4 + 1 / 6)  # without those that were skipped
    message = r"at step 11 nor in the 2 steps before, which were skipped; .*none was written"
    with pytest.raises(loop.NonFiniteLoss, match=message):
        train(Steps(bad_steps=[2, 3, 9, 10, 11]), schedule)


def test_checkpoints_and_stops_wait_until_a_step_succeeds(monkeypatch):
    schedule = replace(SCHEDULE, iterations_per_loop=1, max_skipped_steps=9)
    _, events, _, _ = train(Steps(bad_steps=[9, 10, 11, 20]), schedule)
    assert [step for kind, step in events if kind == "save"] == [12, 20]
    stop = StopRequest()
    stop.signal = signal.SIGTERM
    steps, state = Steps(4, bad_steps=[5, 6]), loop.HostState(failed_in_a_row=1)
    complete, events, _, state = train(steps, schedule, state, stop)
    assert not complete
    assert (events, state.skipped_steps) == ([("log", 6), ("save", 7)], 2)


@pytest.mark.parametrize(("start", "expected"), [(0, [8, 9, 10]), (8, [9, 10])])
def test_the_steps_of_a_profile_are_calls_of_their_own(start, expected):
    seen = []

    class Recorder(Profiler):
        @contextlib.contextmanager
        def around(self, step):
            before = len(steps.calls)
            yield
            if step in schedule.profile_steps:
                assert steps.calls[before:] == [1]
                seen.append(steps.step)

    steps, schedule = Steps(start), replace(SCHEDULE, profile_steps=StepRange(7, 10))
    reporter = SimpleNamespace(progress=lambda *_: None, trained=lambda *_: None)
    loop.train(
        steps,
        iter(()),
        schedule,
        Checkpoints([]),
        loop.HostState(),
        reporter,
        StopRequest(),
        profiler=Recorder(),
    )
    assert seen == expected


def test_a_continued_run_counts_on():
    schedule = replace(SCHEDULE, max_skipped_steps=3)
    first = loop.HostState(skipped_steps=7, failed_in_a_row=2)
    first.store()
    saved = loop.HostState()
    saved.variable.assign(first.variable)
    saved.load()
    with pytest.raises(loop.NonFiniteLoss, match="at step 12 nor in the 3 steps before"):
        train(Steps(10, bad_steps=[11, 12]), schedule, saved)
    assert saved.skipped_steps == 9


def test_an_overflow_that_the_loss_scale_answers_is_counted_but_no_failure():
    state = loop.HostState()
    records = SimpleNamespace(
        skipped=np.array([True, True, True, False, True]),
        failed=np.array([True, False, True, False, False]),
    )
    assert state.count_skipped(records, 1) == 2
    state = loop.HostState()
    assert state.count_skipped(records, 2) is None
    assert (state.skipped_steps, state.failed_in_a_row) == (4, 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_are_noted_and_handlers_put_back(number, code):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
        assert stop.exit_code == code
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.exit_code == code
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL  # a second one kills
    assert signal.getsignal(number) is before


def test_the_end_of_the_time_is_a_request_with_the_code_of_sigterm(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    stop = StopRequest(max_hours=0.5)
    now[0] += 1e6  # it is not counted before the context is entered
    assert not stop
    with stop:
        now[0] += 1799
        assert not stop
        now[0] += 1
        assert stop and stop.time_is_over
    assert stop.exit_code == 143
    with StopRequest(max_hours=0.5, since=now[0] - 1700) as stop:
        now[0] += 99
        assert not stop
        now[0] += 1
        assert stop
    with StopRequest() as stop:
        now[0] += 1e9
        assert not stop


def test_stopped_for_another_workers_sake_is_terminated():
    assert StopRequest().exit_code == 143
