"""How candidates and their scores are stored: as trials of an Optuna study.

`study` opens the study, this module defines what its trials hold, `worker` takes and finishes them.

A trial has a categorical parameter for each layer, so that Optuna's dashboard reads well, and a
TrialRecord as user attributes. The place of a candidate in the search is the record's `number`, not
the trial's own: two processes that plan a generation at the same time may each add a trial for the
same place. The first one counts.
"""

import dataclasses
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

_LIVE = (TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE)
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
            string=LayerString.parse(self.string),
            scores=scores,
            parameters=self.parameters,
            flops=self.flops,
            generation=self.generation,
            origin=self.origin,
            seconds=seconds,
        )


def candidates(study: optuna.Study) -> list[Candidate]:
    """All candidates that have been scored, in the order of their numbers.

    Raises:
      InputError: a trial that no search wrote.
    """
    scored = []
    for _, trial in sorted(counting_trials(study).items()):
        if trial.state == TrialState.COMPLETE:
            record = TrialRecord.of(trial)
            if record.scores is None or record.seconds is None:
                raise _foreign(trial)
            scored.append(record.candidate(record.scores, record.seconds))
    return scored


def counting_trials(study: optuna.Study) -> dict[int, FrozenTrial]:
    """The trial of each place that has one, in any state but failed, by the place's number.

    Raises:
      InputError: a trial that no search wrote.
    """
    trials: dict[int, FrozenTrial] = {}
    for trial in study.get_trials(deepcopy=False, states=_LIVE):
        number = trial.user_attrs.get("number")
        if not isinstance(number, int):
            raise _foreign(trial)
        trials.setdefault(number, trial)
    return trials


def enqueue(
    study: optuna.Study, space: SearchSpace, first_number: int, proposals: Sequence[Proposal]
) -> int:
    """Adds a waiting trial for each proposal whose place has none.

    Args:
      study: the study of the search.
      space: the search space of the proposals.
      first_number: the place of the first proposal.
      proposals: strings for consecutive places.

    Returns:
      the number of trials that were added.
    """
    added = 0
    for number, proposal in enumerate(proposals, start=first_number):
        if number not in counting_trials(study):
            study.add_trial(_waiting_trial(space, TrialRecord.planned(space, number, proposal)))
            added += 1
    return added


def _waiting_trial(space: SearchSpace, record: TrialRecord) -> FrozenTrial:
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
