"""A layer string that was scored, and for each score whether higher or lower is better.

`trials.py` says how the scores are stored.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.errors import InputError

DIRECTIONS: dict[str, Literal["minimize", "maximize"]] = {
    "disc_loss": "minimize",
    "disc_auc": "maximize",
    "disc_accuracy": "maximize",
    "mlm_loss": "minimize",
    "mlm_accuracy": "maximize",
    "parameters": "minimize",
    "flops": "minimize",
    "latency": "minimize",
}
"""For each metric of a candidate whether lower or higher is better, in Optuna's words."""

FITNESS = ("disc_loss", "disc_auc", "disc_accuracy", "mlm_loss", "mlm_accuracy")
"""Scores that can be searched on."""

COSTS = ("parameters", "flops", "latency")
"""The costs of a candidate. An evaluator that measures the latency returns it among the scores."""


@dataclass(frozen=True)
class Candidate:
    """A layer string and its scores.

    Args:
      number: its place in the search, from 0: candidates are numbered in the order of proposal.
      string: the layers.
      scores: what the evaluator returned, by name.
      parameters: trainable parameters of the encoder.
      flops: FLOPs of one forward pass of the encoder over one sequence.
      generation: the generation of the sampler, from 0; None where the sampler has none.
      origin: how the sampler made the string: "random", "mutation", "crossover", "immigrant" or
        "nsga2".
      seconds: how long the evaluator took.
    """

    number: int
    string: LayerString
    scores: Mapping[str, float]
    parameters: int
    flops: int
    generation: int | None
    origin: str
    seconds: float

    def metric(self, name: str) -> float:
        """A score or a cost by its name.

        NaN, the score of a path of the supernet that diverged, becomes the worst possible value.

        Raises:
          InputError: the evaluator gave no such score.
        """
        if name in ("parameters", "flops"):
            return float(getattr(self, name))
        if name not in self.scores:
            raise InputError(f"the evaluator gives no {name}, only {', '.join(self.scores)}")
        value = float(self.scores[name])
        if not math.isnan(value):
            return value
        return math.inf if DIRECTIONS[name] == "minimize" else -math.inf

    def loss(self, name: str) -> float:
        """The metric, negated where higher is better, so that lower is always better."""
        return self.metric(name) if DIRECTIONS[name] == "minimize" else -self.metric(name)


def ranked(candidates: Iterable[Candidate], fitness: str) -> list[Candidate]:
    """The candidates from best to worst; of equals, the earlier first."""
    return sorted(candidates, key=lambda candidate: (candidate.loss(fitness), candidate.number))
