"""What a search has found, and what it is compared with. A report is made from this alone."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.errors import InputError
from lvbert_tf.search.candidate import DIRECTIONS, Candidate, ranked
from lvbert_tf.search.pareto import pareto_front
from lvbert_tf.search.report.references import SANDWICH, reference_strings
from lvbert_tf.search.settings import SearchSettings
from lvbert_tf.search.space import SearchSpace

_FEWEST_BEST = 10


@dataclass(frozen=True)
class Compared:
    """A line of the comparison: the best string, a baseline, or the mean of several strings.

    Args:
      label: says which of these the line shows.
      string: the layers; None for a mean.
      metrics: scores and costs by name.
    """

    label: str
    string: LayerString | None
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Findings:
    """The outcome of a search that has scored at least one string.

    Args:
      name: the name of the search.
      candidates: the strings that were scored, in the order of their numbers.
      space: the space that was searched.
      settings: the settings of the search.
      pretraining_hparams: the hparams of the supernet's training, with which the winner will be
        trained too, as JSON types.
      references: the scores of those `reference_strings` that were scored.
      random_search: the candidates of a second study, made by the random sampler in the same space.
      facts: what the report shows about the run; a value may be a table of its own. Numbers of
        seconds stand in a table named "seconds".

    Raises:
      InputError: there is no candidate.
    """

    name: str
    candidates: Sequence[Candidate]
    space: SearchSpace
    settings: SearchSettings
    pretraining_hparams: Mapping[str, Any]
    references: Mapping[LayerString, Mapping[str, float]] = field(default_factory=dict)
    random_search: Sequence[Candidate] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.candidates:
            raise InputError(f"the search {self.name!r} has no candidate to report yet")

    @cached_property
    def ranked(self) -> list[Candidate]:
        """The candidates from best to worst."""
        return ranked(self.candidates, self.settings.fitness)

    @property
    def best(self) -> Candidate:
        """The winner."""
        return self.ranked[0]

    @cached_property
    def among_the_best(self) -> list[Candidate]:
        """The best tenth of the candidates, or the best 10 if that is more, without those that diverged.

        There may be fewer than 10, because those that diverged are left out last.
        """
        count = max(_FEWEST_BEST, math.ceil(len(self.candidates) / 10))
        return self.finite(self.ranked[:count])

    @cached_property
    def random(self) -> list[Candidate]:
        """Random candidates: those of the random search, else this search's own."""
        at_equal_evaluations = list(self.random_search[: len(self.candidates)])
        own = [candidate for candidate in self.candidates if candidate.origin == "random"]
        return at_equal_evaluations or own

    @cached_property
    def baselines(self) -> list[Candidate]:
        """The references as candidates; `origin` says which reference each is."""
        kinds = reference_strings(self.space)
        return [
            Candidate(
                number=-1,
                string=string,
                scores=scores,
                parameters=self.space.parameters(string),
                flops=self.space.flops(string),
                generation=None,
                origin=kinds.get(string, "reference"),
                seconds=0.0,
            )
            for string, scores in self.references.items()
        ]

    def finite(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """The candidates whose fitness is a finite number."""
        fitness = self.settings.fitness
        return [candidate for candidate in candidates if math.isfinite(candidate.loss(fitness))]

    def losses(self, candidates: Iterable[Candidate]) -> np.ndarray:
        """The fitness of each, with its sign turned where higher is better; shape (candidates,)."""
        return np.array([candidate.loss(self.settings.fitness) for candidate in candidates])

    def fitness(self, losses: np.ndarray) -> np.ndarray:
        """The fitness that has these losses."""
        return losses if DIRECTIONS[self.settings.fitness] == "minimize" else -losses

    def generation(self, candidate: Candidate) -> int:
        """The generation of a candidate, from 0.

        Random search has no generations: its candidates are grouped by the sizes that the generations
        of an evolution with the same settings have.
        """
        if candidate.generation is not None:
            return candidate.generation
        later = candidate.number - self.settings.generation_size(0)
        return 0 if later < 0 else 1 + later // max(1, self.settings.generation_size(1))

    @cached_property
    def fronts(self) -> dict[str, list[Candidate]]:
        """The Pareto front of the fitness against each cost that all candidates have."""
        costs = ["parameters", "flops"]
        if all("latency" in candidate.scores for candidate in self.candidates):
            costs.append("latency")
        fitness = self.settings.fitness
        return {cost: pareto_front(self.candidates, fitness, cost) for cost in costs}

    @cached_property
    def metric_names(self) -> list[str]:
        """Scores of the candidates, the fitness first, then what they cost."""
        given = {name for candidate in self.candidates for name in candidate.scores}
        scores = [name for name in DIRECTIONS if name in given]
        scores += sorted(given - DIRECTIONS.keys())
        scores.sort(key=lambda name: name != self.settings.fitness)
        return [*scores, "parameters", "flops"]

    @cached_property
    def comparison(self) -> list[Compared]:
        """The best string beside the baselines and the random candidates."""
        lines = [_compared("best of the search", self.best)]
        sandwiches = [candidate for candidate in self.baselines if candidate.origin == SANDWICH]
        others = [candidate for candidate in self.baselines if candidate.origin != SANDWICH]
        lines += [_compared(candidate.origin, candidate) for candidate in others]
        label = f"best of {len(sandwiches)} {SANDWICH}s"
        lines += [_compared(label, candidate) for candidate in self._best(sandwiches)]
        if self.random_search:
            label = f"best of {len(self.random):,} random strings"
            lines += [_compared(label, candidate) for candidate in self._best(self.random)]
        return [*lines, *self._random_mean()]

    def _best(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        return ranked(candidates, self.settings.fitness)[:1]

    def _random_mean(self) -> list[Compared]:
        finite = [_metrics(candidate) for candidate in self.finite(self.random)]
        if not finite:
            return []
        means = {
            name: float(np.mean([metrics.get(name, math.nan) for metrics in finite]))
            for name in self.metric_names
        }
        return [Compared(f"mean of {len(finite):,} random strings", None, means)]


def _compared(label: str, candidate: Candidate) -> Compared:
    return Compared(label, candidate.string, _metrics(candidate))


def _metrics(candidate: Candidate) -> dict[str, float]:
    return {
        **candidate.scores,
        "parameters": candidate.parameters,
        "flops": candidate.flops,
    }
