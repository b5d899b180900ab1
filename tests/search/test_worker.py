"""Taking trials, and taking over those of workers that died."""

import os
import subprocess
import sys

import psutil
import pytest
from optuna.trial import TrialState
from synthetic import make_settings, make_space, open_synthetic

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.search import worker as worker_module
from lvbert_tf.search.samplers import Proposal
from lvbert_tf.search.trials import Places, TrialRecord, candidates, enqueue
from lvbert_tf.search.worker import Worker

SCORES = {"disc_loss": 0.5}


@pytest.fixture(params=["journal", "database"])
def study(request, tmp_path):
    url = "" if request.param == "journal" else f"sqlite:///{tmp_path}/x.db"
    study, space = open_synthetic(tmp_path, make_settings(num_layers=2), url)
    enqueue(Places(study), space, 0, [Proposal(LayerString(s * 2), "random", 0) for s in "CAF"])
    return study


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes when it is told to."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(worker_module, "time", clock)
    return clock


PLACES = range(3)


def number(trial):
    return None if trial is None else trial.user_attrs["number"]


def sign(study, place, **changes):
    """Makes a trial one that another process has taken."""
    trial = Places(study).trials()[place]
    study._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
    signature = {"host": "elsewhere", "pid": 1, "started": 1.0, "heartbeat": 0}
    study._storage.set_trial_user_attr(trial._trial_id, "worker", {**signature, **changes})
    return trial


def test_each_trial_is_taken_once(study):
    first, second = Worker(Places(study)), Worker(Places(study))
    assert [number(worker.take(PLACES)) for worker in (first, second, first)] == [0, 1, 2]
    assert first.take(PLACES) is None and second.take(PLACES) is None
    assert not first.all_finished(PLACES)


def test_only_the_places_asked_for_are_taken(study):
    assert number(Worker(Places(study)).take(range(1, 2))) == 1
    assert Worker(Places(study)).take(range(1, 2)) is None


def test_what_is_finished_is_a_candidate(study):
    worker = Worker(Places(study))
    trial = worker.take(PLACES)
    assert worker.finish(trial, SCORES, 1.5, [0.5])
    (candidate,) = candidates(study)
    assert (candidate.scores, candidate.seconds) == (SCORES, 1.5)
    assert worker.all_finished(range(1)) and not worker.all_finished(PLACES)


def test_the_first_to_finish_wins(study):
    slow, fast = Worker(Places(study)), Worker(Places(study))
    trial = slow.take(PLACES)
    fast.give_back(trial)  # as if it had taken the slow one for dead
    assert number(fast.take(PLACES)) == 0
    assert fast.finish(trial, SCORES, 1.0, [0.5])
    assert not slow.finish(trial, {"disc_loss": 0.7}, 9.0, [0.7])
    slow.give_back(trial)
    assert candidates(study)[0].scores == SCORES
    assert study.trials[0].value == 0.5


def test_an_exception_gives_the_trial_back(study):
    worker = Worker(Places(study))
    trial = worker.take(PLACES)
    with pytest.raises(KeyboardInterrupt), worker.at_work(trial):
        raise KeyboardInterrupt
    assert number(Worker(Places(study)).take(PLACES)) == 0


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_dead_process_of_this_machine_is_taken_over_from_at_once(study):
    host = Worker(Places(study))._host
    sign(study, 0, host=host, pid=ended_process())
    sign(study, 1, host=host, pid=os.getpid(), started=1.0)  # had our number before us
    sign(study, 2, host=host, pid=2**70)
    worker = Worker(Places(study))
    assert [number(worker.take(PLACES)) for _ in range(3)] == [0, 1, 2]


def test_a_process_that_nobody_has_reaped_is_dead(study):
    process = subprocess.Popen([sys.executable, "-c", ""])
    started = psutil.Process(process.pid).create_time()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    sign(study, 0, host=Worker(Places(study))._host, pid=process.pid, started=started)
    assert number(Worker(Places(study)).take(range(1))) == 0
    process.wait()


def test_what_a_dead_process_signed_is_not_held_against_the_next(study, monkeypatch):
    sign(study, 0, host=Worker(Places(study))._host, pid=ended_process())
    monkeypatch.setattr(Worker, "_sign", lambda *arguments: None)  # not yet signed
    assert number(Worker(Places(study)).take(range(1))) == 0
    assert Worker(Places(study)).take(range(1)) is None


def test_a_living_process_of_this_machine_is_left_its_trial(study):
    host = Worker(Places(study))._host
    for place, pid in enumerate((os.getpid(), os.getppid())):
        sign(study, place, host=host, pid=pid, started=psutil.Process(pid).create_time())
    worker = Worker(Places(study))
    assert number(worker.take(PLACES)) == 2
    assert worker.take(PLACES) is None


def test_another_machine_is_dead_when_its_heart_stops(study, clock):
    worker = Worker(Places(study))
    sign(study, 0)
    assert number(worker.take(PLACES)) == 1
    for beats in range(1, 4):  # alive
        clock.now += 0.9 * worker_module.GRACE_SECONDS
        trial = Places(study).trials()[0]
        signature = {**trial.user_attrs["worker"], "heartbeat": beats}
        study._storage.set_trial_user_attr(trial._trial_id, "worker", signature)
        assert worker.take(range(1)) is None
    clock.now += 0.9 * worker_module.GRACE_SECONDS
    assert worker.take(range(1)) is None
    clock.now += 0.2 * worker_module.GRACE_SECONDS
    assert number(worker.take(range(1))) == 0


def test_a_trial_that_was_taken_but_never_signed_is_taken_over_soon(study, clock):
    trial = Places(study).trials()[0]
    study._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
    worker = Worker(Places(study))
    assert worker.take(range(1)) is None
    clock.now += 0.9 * worker_module.UNSIGNED_SECONDS
    assert worker.take(range(1)) is None
    clock.now += 0.2 * worker_module.UNSIGNED_SECONDS
    assert number(worker.take(range(1))) == 0


@pytest.mark.parametrize("signature", ["text", 3, {}, {"host": 1, "pid": "x"}])
def test_a_signature_that_is_none_ages_like_any(study, clock, signature):
    trial = Places(study).trials()[0]
    study._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
    study._storage.set_trial_user_attr(trial._trial_id, "worker", signature)
    worker = Worker(Places(study))
    assert worker.take(range(1)) is None
    clock.now += 2 * worker_module.GRACE_SECONDS
    assert number(worker.take(range(1))) == 0


def test_the_signature_is_renewed_while_at_work(study, monkeypatch):
    monkeypatch.setattr(worker_module, "HEARTBEAT_SECONDS", 0.01)
    worker = Worker(Places(study))
    trial = worker.take(PLACES)
    with worker.at_work(trial):
        while Places(study).trials()[0].user_attrs["worker"]["heartbeat"] < 3:
            pass
    assert worker.finish(trial, SCORES, 1.0, [0.5])
    signature = Places(study).trials()[0].user_attrs["worker"]
    assert signature["pid"] == os.getpid()


def test_a_place_that_two_planned_counts_once(study, tmp_path):
    # Two processes saw the same study and added the same place.
    lone = Places(study).trials()[1]
    study.add_trial(
        type(lone)(
            number=-1,
            trial_id=-1,
            state=TrialState.WAITING,
            value=None,
            values=None,
            datetime_start=None,
            datetime_complete=None,
            params=lone.params,
            distributions=lone.distributions,
            user_attrs=lone.user_attrs,
            system_attrs={},
            intermediate_values={},
        )
    )
    assert Places(study).trials()[1].number == 1
    worker = Worker(Places(study))
    worker.fail_duplicates()
    assert [trial.state.name for trial in study.trials] == ["WAITING"] * 3 + ["FAIL"]
    assert [number(worker.take(PLACES)) for _ in range(4)] == [0, 1, 2, None]


def test_a_place_that_is_added_meanwhile_is_no_duplicate(study, monkeypatch):
    places = Places(study)
    read = places.trials

    def read_before_another_process_adds_a_place():
        found = dict(read())
        enqueue(Places(study), make_space(2, "CAF"), 3, [Proposal(LayerString("CA"), "random", 0)])
        return found

    monkeypatch.setattr(places, "trials", read_before_another_process_adds_a_place)
    Worker(places).fail_duplicates()
    assert all(trial.state == TrialState.WAITING for trial in study.trials)


def test_the_earliest_trial_of_a_place_counts_whichever_is_finished_first(study):
    """Of two trials, as two processes write them that plan at the same time."""
    places = Places(study)
    study.add_trial(study.get_trials()[0])
    early, late = study.get_trials()[0], study.get_trials()[-1]
    worker = Worker(places)
    assert worker._set_state(late, TrialState.RUNNING)
    assert worker.finish(late, SCORES, 1.0, [0.5])
    assert places.trials()[0].number == early.number and places.candidates() == []
    assert worker._set_state(early, TrialState.FAIL)
    assert places.trials()[0].number == late.number
    assert [one.number for one in places.candidates()] == [0]
    assert places.candidates() == candidates(study)


def test_a_finished_trial_is_read_once(study, monkeypatch):
    places = Places(study)
    worker = Worker(places)
    for _ in PLACES:
        assert worker.finish(worker.take(PLACES), SCORES, 1.0, [0.5])
    known = places.candidates()
    monkeypatch.setattr(TrialRecord, "of", None)
    assert places.candidates() == known and len(known) == len(PLACES)
