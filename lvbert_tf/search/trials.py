"""Candidates as trials of an Optuna study.

A trial has a categorical parameter for each layer, so that Optuna's dashboard reads well, and the
fields of the Candidate as user attributes. Its place in the search is the attribute `number`, not
the trial's own: two processes that plan a generation at the same time may each add a place's trial.
The first one counts.
"""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from lvbert_tf.errors import InputError
from lvbert_tf.layer_string import LayerString
from lvbert_tf.search.candidate import Candidate
from lvbert_tf.search.samplers import Proposal
from lvbert_tf.search.space import SearchSpace

_LIVE = (TrialState.WAITING, TrialState.RUNNING, TrialState.COMPLETE)


def candidates(study: optuna.Study) -> list[Candidate]:
    """All candidates that have been scored, in the order of their numbers.

    Raises:
      InputError: a trial that no search wrote.
    """
    return [
        to_candidate(trial, trial.user_attrs.get("scores"), trial.user_attrs.get("seconds"))
        for _, trial in sorted(counting_trials(study).items())
        if trial.state == TrialState.COMPLETE
    ]


def counting_trials(study: optuna.Study) -> dict[int, FrozenTrial]:
    """The trial of each place that has one, whatever its state; failed ones do not count.

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
    """Adds a waiting trial for each proposal whose place has none; returns how many it added."""
    added = 0
    for number, proposal in enumerate(proposals, start=first_number):
        if number not in counting_trials(study):
            study.add_trial(_trial(space, number, proposal))
            added += 1
    return added


def _trial(space: SearchSpace, number: int, proposal: Proposal) -> FrozenTrial:
    names = [f"layer_{position:02d}" for position in range(1, space.num_layers + 1)]
    return optuna.trial.create_trial(
        state=TrialState.WAITING,
        params=dict(zip(names, proposal.string, strict=True)),
        distributions={name: CategoricalDistribution(list(space.layer_types)) for name in names},
        user_attrs={
            "number": number,
            "string": str(proposal.string),
            "origin": proposal.origin,
            "generation": proposal.generation,
            "parameters": space.parameters(proposal.string),
            "flops": space.flops(proposal.string),
        },
    )


def to_candidate(trial: FrozenTrial, scores: Any, seconds: Any) -> Candidate:
    """The candidate of a trial with these scores.

    Raises:
      InputError: no search wrote the trial.
    """
    attributes = trial.user_attrs
    try:
        return Candidate(
            number=int(attributes["number"]),
            string=LayerString.parse(attributes["string"]),
            scores={str(name): float(value) for name, value in scores.items()},
            parameters=int(attributes["parameters"]),
            flops=int(attributes["flops"]),
            generation=None if attributes["generation"] is None else int(attributes["generation"]),
            origin=str(attributes["origin"]),
            seconds=float(seconds),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _foreign(trial) from error


def _foreign(trial: FrozenTrial) -> InputError:
    return InputError(f"trial {trial.number} of the study is no candidate of a search")
