"""The results of all trainings, put together from their files."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from experiments.search import experiment
from experiments.search.experiment import SUPERNETS, Alone, Shared
from experiments.search.schedule import Scores, measured_strings, read_scores
from experiments.search.training import result_path
from lvbert_tf.search.candidate import DIRECTIONS


@dataclass(frozen=True)
class Results:
    """What was measured under one objective.

    Args:
      output_dir: of the benchmark.
      objective: of `experiment.FITNESS`.
    """

    output_dir: Path
    objective: str

    @cached_property
    def strings(self) -> list[str]:
        """Those whose ranking is compared with the supernets'."""
        return measured_strings(self.output_dir, self.objective)

    @property
    def fitness(self) -> tuple[str, ...]:
        """The figures under this objective, the loss first."""
        return experiment.FITNESS[self.objective]

    @cached_property
    def supernets(self) -> dict[Shared, Scores]:
        """The scores of the supernets, and then of the trials."""
        shared = [*SUPERNETS[self.objective].values(), *experiment.trials(self.objective)]
        return {supernet: read_scores(self.output_dir, supernet) for supernet in shared}

    def alone(self, string: str, figure: str) -> list[float]:
        """The figure of a string trained by itself, of every seed that was trained."""
        seeds = experiment.COMPARISON_SEEDS
        trainings = [Alone(self.objective, string, seed) for seed in seeds]
        return [
            read_scores(self.output_dir, training)[string][figure]
            for training in trainings
            if result_path(self.output_dir, training).exists()
        ]

    def alone_losses(self, figure: str) -> np.ndarray:
        """Of all strings the mean over their seeds, lower is better: [strings]."""
        means = [np.mean(self.alone(string, figure)) for string in self.strings]
        return _sign(figure) * np.array(means)

    def supernet_losses(self, supernet: Shared, figure: str) -> np.ndarray:
        """Of all strings what a supernet gives, lower is better: [strings]."""
        scores = self.supernets[supernet]
        return _sign(figure) * np.array([scores[string][figure] for string in self.strings])


def _sign(figure: str) -> float:
    return 1.0 if DIRECTIONS[figure] == "minimize" else -1.0


def processor_hours(output_dir: Path, objectives: Iterable[str]) -> float:
    """Of all trainings and scorings under these objectives."""
    files = (output_dir / "results").glob("*.json")
    found = [
        json.loads(path.read_text(encoding="utf-8"))["seconds"]["all"]
        for path in files
        if path.name.startswith(tuple(f"{objective}-" for objective in objectives))
    ]
    return sum(found) / 3600
