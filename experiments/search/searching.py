"""Searches over a supernet whose scores are known: the real loop, with a table for an evaluator."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from experiments.search.experiment import (
    SEARCH,
    SEARCH_SEEDS,
    search_settings,
    search_space,
)
from lvbert_tf.io.whole import write_json
from lvbert_tf.search.candidate import Candidate, ranked
from lvbert_tf.search.search import search
from lvbert_tf.search.study import open_study
from lvbert_tf.search.trials import candidates


def searched(
    directory: Path,
    scores: Mapping[str, Mapping[str, float]],
    layer_types: str,
    sampler: str,
    seed: int,
) -> list[Candidate]:
    """The candidates of a search, in order; a search that was interrupted continues.

    Args:
      directory: of all searches over this supernet.
      scores: of every string of the space.
      layer_types, sampler, seed: of the search.
    """
    name = f"{sampler}-{seed}"
    space, settings = search_space(layer_types), search_settings(layer_types, sampler)
    study = open_study(directory / name, name, space, settings, seed, {"table": directory.name})
    search(study, space, settings, lambda string: scores[str(string)], seed)
    return candidates(study)


def winner(directory: Path, scores: Mapping[str, Mapping[str, float]], layer_types: str) -> str:
    """What evolution finds with the first seed."""
    found = searched(directory, scores, layer_types, "evolution", SEARCH_SEEDS[0])
    return str(ranked(found, SEARCH["fitness"])[0].string)


def curves(directory: Path, scores: Mapping[str, Mapping[str, float]], sampler: str) -> np.ndarray:
    """The best fitness after each evaluation: [seeds, evaluations]; computed once."""

    path = directory / f"{sampler}.json"
    if not path.exists():
        runs = [searched(directory, scores, "CAF", sampler, seed) for seed in SEARCH_SEEDS]
        losses = [[candidate.loss(SEARCH["fitness"]) for candidate in run] for run in runs]
        write_json(path, losses)
    losses = json.loads(path.read_text(encoding="utf-8"))
    return np.minimum.accumulate(losses, axis=1)
