"""The results of all trainings, which are put together from their files."""

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
class SearchResults:
    """What was measured under one objective. The files are read when they are needed.

    Args:
      output_dir: the directory of the experiment.
      objective: the pre-training task, a key of `experiment.FITNESS`.
    """

    output_dir: Path
    objective: str

    @cached_property
    def strings(self) -> list[str]:
        """The strings whose ranking is compared with the supernets' rankings."""
        return measured_strings(self.output_dir, self.objective)

    @property
    def fitness(self) -> tuple[str, ...]:
        """The metrics under this objective, the loss first."""
        return experiment.FITNESS[self.objective]

    @cached_property
    def supernets(self) -> dict[Shared, Scores]:
        """The scores of the supernets, and then of the trials."""
        shared = [*SUPERNETS[self.objective].values(), *experiment.trials(self.objective)]
        return {supernet: read_scores(self.output_dir, supernet) for supernet in shared}

    def alone(self, string: str, metric: str) -> list[float]:
        """The metric of a string that was trained by itself: a value for every seed so far."""
        seeds = experiment.COMPARISON_SEEDS
        trainings = [Alone(self.objective, string, seed) for seed in seeds]
        return [
            read_scores(self.output_dir, training)[string][metric]
            for training in trainings
            if result_path(self.output_dir, training).exists()
        ]

    def alone_losses(self, metric: str) -> np.ndarray:
        """The mean over the seeds of each string, signed so that lower is better: [strings]."""
        means = [np.mean(self.alone(string, metric)) for string in self.strings]
        return _sign(metric) * np.array(means)

    def supernet_losses(self, supernet: Shared, metric: str) -> np.ndarray:
        """A supernet's score of each string, signed so that lower is better: [strings]."""
        scores = self.supernets[supernet]
        return _sign(metric) * np.array([scores[string][metric] for string in self.strings])


def _sign(metric: str) -> float:
    return 1.0 if DIRECTIONS[metric] == "minimize" else -1.0


def processor_hours(output_dir: Path, objectives: Iterable[str]) -> float:
    """The processor hours of all trainings and scorings under these objectives."""
    files = (output_dir / "results").glob("*.json")
    found = [
        json.loads(path.read_text(encoding="utf-8"))["seconds"]["all"]
        for path in files
        if path.name.startswith(tuple(f"{objective}-" for objective in objectives))
    ]
    return sum(found) / 3600
