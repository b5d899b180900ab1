"""A worker: one of the processes that score the trials of a study.

A worker takes trials that wait, and trials whose worker has died. Should it wrongly believe that another
worker is dead, nothing is lost: both score the same layer string, and the first one's scores count.

The methods take the places of candidates in the search (`TrialRecord.number`), not Optuna's numbers.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from lvbert_tf.search.trials import Places, TrialRecord

HEARTBEAT_SECONDS = 10.0
# A worker counts as dead if its signature has not changed for so long, as seen from another machine.
GRACE_SECONDS = 60.0
# The same for a trial without a signature: a worker signs right after it takes a trial.
UNSIGNED_SECONDS = 5.0
_CLOCK_SECONDS = 2.0  # start times of a process may differ by so much and still be the same


class Worker:
    """Takes trials of a study, one at a time.

    A worker signs the trial that it takes, and renews the signature while it scores. Workers on the
    same machine see at once when the process that signed has ended. A worker on another machine
    concludes it when it has seen the same signature for a minute. It measures the minute on its own
    clock, so the machines' clocks need not agree. Machines that share a study need different host names.

    Args:
      places: of the search.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        # Optuna has no public way to take a given trial, nor to give one back.
        self._storage = places.study._storage
        self._host = socket.gethostname()
        self._seen: dict[int, tuple[Any, float]] = {}

    def all_finished(self, numbers: range) -> bool:
        """Whether the candidates at all these places have been scored."""
        trials = self._places.trials()
        return all(
            number in trials and trials[number].state == TrialState.COMPLETE for number in numbers
        )

    def take(self, numbers: range) -> FrozenTrial | None:
        """Takes the first trial at these places that waits or whose worker is dead, if there is one."""
        trials = self._places.trials()
        for number in numbers:
            trial = trials.get(number)
            if trial is None or trial.state == TrialState.COMPLETE:
                continue
            if trial.state == TrialState.RUNNING and self._is_orphaned(trial):
                self.give_back(trial)
            elif trial.state == TrialState.RUNNING:
                continue
            if self._set_state(trial, TrialState.RUNNING):
                self._sign(trial, 0)
                return trial
        return None

    def give_back(self, trial: FrozenTrial) -> None:
        """Removes the signature and puts the trial back among those that wait."""
        with contextlib.suppress(UpdateFinishedTrialError):
            self._storage.set_trial_user_attr(trial._trial_id, "worker", None)
        self._set_state(trial, TrialState.WAITING)

    def finish(
        self,
        trial: FrozenTrial,
        scores: Mapping[str, float],
        seconds: float,
        values: Sequence[float],
    ) -> bool:
        """Writes the scores of a trial; returns False if another process has finished it before."""
        try:
            self._storage.set_trial_user_attr(trial._trial_id, "scores", dict(scores))
            self._storage.set_trial_user_attr(trial._trial_id, "seconds", seconds)
        except UpdateFinishedTrialError:
            return False
        return self._set_state(trial, TrialState.COMPLETE, values)

    @contextlib.contextmanager
    def at_work(self, trial: FrozenTrial) -> Iterator[None]:
        """Renews the signature while the block runs; if the block raises, gives the trial back."""
        stop = threading.Event()

        def renew() -> None:
            beats = 0
            while not stop.wait(HEARTBEAT_SECONDS):
                beats += 1
                # Ignore errors: another worker may have the trial by now, and if the storage fails,
                # the main thread meets the same error.
                with contextlib.suppress(Exception):
                    self._sign(trial, beats)

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            stop.set()
            thread.join()
            self.give_back(trial)
            raise
        stop.set()
        thread.join()

    def fail_duplicates(self) -> None:
        """Marks a waiting trial as failed if there is an earlier trial for the same place."""
        # In this order: another process may add a place between the two.
        waiting = self._places.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        counting = self._places.trials()
        for trial in waiting:
            if counting[TrialRecord.of(trial).number].number < trial.number:
                self._set_state(trial, TrialState.FAIL)

    def _sign(self, trial: FrozenTrial, beats: int) -> None:
        signature = {
            "host": self._host,
            "pid": os.getpid(),
            "started": psutil.Process().create_time(),
            "heartbeat": beats,
        }
        with contextlib.suppress(UpdateFinishedTrialError):
            self._storage.set_trial_user_attr(trial._trial_id, "worker", signature)

    def _set_state(
        self, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        try:
            return self._storage.set_trial_state_values(trial._trial_id, state, values)
        except UpdateFinishedTrialError:
            return False

    def _is_orphaned(self, trial: FrozenTrial) -> bool:
        signature = TrialRecord.of(trial).worker
        if _is_gone(signature, self._host):
            return True
        now = time.monotonic()
        seen, since = self._seen.get(trial.number, (None, now))
        if trial.number not in self._seen or seen != signature:
            self._seen[trial.number] = (signature, now)
            return False
        return now - since > (GRACE_SECONDS if signature else UNSIGNED_SECONDS)


def _is_gone(signature: Any, host: str) -> bool:
    """Whether the process that signed is known to have ended; always false for other machines."""
    match signature:
        case {"host": str(signed_on), "pid": int(pid), "started": float(started)}:
            if signed_on != host:
                return False
        case _:
            return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        # Another process may have the same number by now; its start time tells. The comparison leaves
        # some room, because the system's clock may have been set in between.
        return abs(process.create_time() - started) > _CLOCK_SECONDS
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return True
    except psutil.AccessDenied:  # another user's
        return False
