"""How candidates and their scores are stored: as trials of an Optuna study.

`study` opens the study, this module defines what its trials hold, `worker` takes and finishes them.

A trial has a categorical parameter for each layer, so that Optuna's dashboard reads well, and a
TrialRecord as user attributes. The place of a candidate in the search is the record's `number`, not
the trial's own: two processes that plan a generation at the same time may each add a trial for the
same place. The first one counts.
"""

import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.errors import InputError
from lvbert_tf.search.candidate import Candidate
from lvbert_tf.search.samplers import Proposal
from lvbert_tf.search.space import SearchSpace

# Trials that are written before the study is read again: in a database that takes as long as a write.
_WRITTEN_AT_ONCE = 5
# What is known of a string before it is scored.
_PLANNED = ("number", "string", "origin", "generation", "parameters", "flops")


@dataclass(frozen=True)
class TrialRecord:
    """What a search keeps with a trial. Each field is a user attribute of the same name.

    Args:
      number: the place of the candidate in the search, from 0.
      string: the layers.
      origin: how the sampler made the string; see `Candidate`.
      generation: the generation of the sampler, from 0; None where the sampler has none.
      parameters: trainable parameters of the encoder.
      flops: FLOPs of one forward pass of the encoder over one sequence.
      scores: what the evaluator returned, by name; None until the string is scored.
      seconds: how long the evaluator took; None until the string is scored.
      worker: the signature of the process that scores the string; None if there is none.
    """

    number: int
    string: str
    origin: str
    generation: int | None
    parameters: int
    flops: int
    scores: Mapping[str, float] | None = None
    seconds: float | None = None
    worker: Mapping[str, Any] | None = None

    @classmethod
    def planned(cls, space: SearchSpace, number: int, proposal: Proposal) -> "TrialRecord":
        """The record of a proposal that waits to be scored."""
        return cls(
            number=number,
            string=str(proposal.string),
            origin=proposal.origin,
            generation=proposal.generation,
            parameters=space.parameters(proposal.string),
            flops=space.flops(proposal.string),
        )

    @classmethod
    def of(cls, trial: FrozenTrial) -> "TrialRecord":
        """Reads the record of a trial.

        Raises:
          InputError: no search wrote the trial.
        """
        given = trial.user_attrs
        try:
            if not isinstance(given["number"], int):
                raise TypeError("number")
            generation, scores = given["generation"], given.get("scores")
            seconds = given.get("seconds")
            return cls(
                number=given["number"],
                string=str(given["string"]),
                origin=str(given["origin"]),
                generation=None if generation is None else int(generation),
                parameters=int(given["parameters"]),
                flops=int(given["flops"]),
                scores=scores and {str(name): float(value) for name, value in scores.items()},
                seconds=None if seconds is None else float(seconds),
                worker=given.get("worker"),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _foreign(trial) from error

    def candidate(self, scores: Mapping[str, float], seconds: float) -> Candidate:
        """The candidate of this record, with its scores and the seconds that scoring took."""
        return Candidate(
            number=self.number,
            string=LayerString(self.string),
            scores=scores,
            parameters=self.parameters,
            flops=self.flops,
            generation=self.generation,
            origin=self.origin,
            seconds=seconds,
        )


class Places:
    """The places of a search, and for each the trial that counts there.

    The study is read again by every call, but a finished trial only once: it never changes. So what a
    call costs hardly grows with the study. The trial of a place is the earliest that has not failed.

    Args:
      study: the study of the search.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.study = study
        self._finished: dict[int, FrozenTrial] = {}  # by place
        self._candidates: dict[int, Candidate] = {}  # by the number of their trial
        self._unfinished: list[int] = []  # numbers of trials, in order
        self._num_read = 0

    def trials(self) -> dict[int, FrozenTrial]:
        """The trial of each place that has one, in any state but failed, by the place's number.

        Raises:
          InputError: a trial that no search wrote.
        """
        all_trials = self.study.get_trials(deepcopy=False)
        unfinished = []
        for number in (*self._unfinished, *range(self._num_read, len(all_trials))):
            trial = all_trials[number]  # Optuna numbers the trials of a study from 0 without gaps
            if not trial.state.is_finished():
                unfinished.append(number)
            elif trial.state == TrialState.COMPLETE:
                _put_earliest(self._finished, trial)
        self._unfinished, self._num_read = unfinished, len(all_trials)
        counting = dict(self._finished)
        for number in unfinished:
            _put_earliest(counting, all_trials[number])
        return counting

    def candidates(self) -> list[Candidate]:
        """All candidates that have been scored, in the order of their numbers.

        Raises:
          InputError: a trial that no search wrote.
        """
        return [
            self._candidate(trial)
            for _, trial in sorted(self.trials().items())
            if trial.state == TrialState.COMPLETE
        ]

    def _candidate(self, trial: FrozenTrial) -> Candidate:
        if trial.number not in self._candidates:
            record = TrialRecord.of(trial)
            if record.scores is None or record.seconds is None:
                raise _foreign(trial)
            self._candidates[trial.number] = record.candidate(record.scores, record.seconds)
        return self._candidates[trial.number]


def _put_earliest(trials: dict[int, FrozenTrial], trial: FrozenTrial) -> None:
    """Makes a trial that of its place, unless an earlier one is."""
    place = trial.user_attrs.get("number")
    if not isinstance(place, int):
        raise _foreign(trial)
    if place not in trials or trial.number < trials[place].number:
        trials[place] = trial


def candidates(study: optuna.Study) -> list[Candidate]:
    """All candidates that have been scored; see `Places.candidates`."""
    return Places(study).candidates()


def enqueue(
    places: Places, space: SearchSpace, first_number: int, proposals: Sequence[Proposal]
) -> int:
    """Adds a waiting trial for each proposal whose place has none.

    Processes that do this at the same time begin at different places, once they see trials that they
    have not written themselves. Where two still write the same one, the later one does not count.

    Args:
      places: the places of the search.
      space: the search space of the proposals.
      first_number: the place of the first proposal.
      proposals: strings for consecutive places.

    Returns:
      the number of trials that were added.
    """
    numbers = range(first_number, first_number + len(proposals))
    added: set[int] = set()
    while True:
        there = places.trials()
        missing = [number for number in numbers if number not in there]
        if not missing:
            return len(added)
        is_alone = len(added) + len(missing) == len(numbers)
        # Not from a generator that users seed: processes with one seed would begin at the same place.
        start = 0 if is_alone else secrets.randbelow(len(missing))
        for number in missing[start : start + (_WRITTEN_AT_ONCE if added else 1)]:
            record = TrialRecord.planned(space, number, proposals[number - first_number])
            places.study.add_trial(waiting_trial(space, record))
            added.add(number)


def waiting_trial(space: SearchSpace, record: TrialRecord) -> FrozenTrial:
    """The trial of a record that waits to be scored."""
    names = [f"layer_{position:02d}" for position in range(1, space.num_layers + 1)]
    attributes = dataclasses.asdict(record)
    return optuna.trial.create_trial(
        state=TrialState.WAITING,
        params=dict(zip(names, record.string, strict=True)),
        distributions={name: CategoricalDistribution(list(space.layer_types)) for name in names},
        user_attrs={name: attributes[name] for name in _PLANNED},
    )


def _foreign(trial: FrozenTrial) -> InputError:
    return InputError(f"trial {trial.number} of the study is no candidate of a search")
