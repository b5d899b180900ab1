"""Candidates compared by two metrics at once: which of them dominate others.

Source: Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, 2002.
"""

from collections.abc import Sequence

import numpy as np

from lvbert_tf.search.candidate import Candidate


def pareto_front(candidates: Sequence[Candidate], fitness: str, cost: str) -> list[Candidate]:
    """The candidates that none other beats in one figure without losing in the other.

    Args:
      candidates: in any order.
      fitness, cost: names of two metrics.

    Returns:
      the front, cheapest first; without candidates whose metrics are not numbers.
    """
    points = _points(candidates, fitness, cost)
    on_front = (domination_ranks(points) == 0) & np.isfinite(points).all(axis=1)
    front = [candidate for candidate, is_on in zip(candidates, on_front, strict=True) if is_on]
    return sorted(front, key=lambda candidate: (candidate.loss(cost), candidate.number))


def crowded_order(candidates: Sequence[Candidate], fitness: str, cost: str) -> list[Candidate]:
    """NSGA-II's order: by front, in a front the least crowded first, of equals the earlier first."""
    points = _points(candidates, fitness, cost)
    ranks = domination_ranks(points)
    distances = crowding_distances(points, ranks)
    numbers = np.array([candidate.number for candidate in candidates])
    return [candidates[int(i)] for i in np.lexsort((numbers, -distances, ranks))]


def domination_ranks(points: np.ndarray) -> np.ndarray:
    """Which front each point is in: 0 for the Pareto front, 1 for that of the others, and so on.

    Args:
      points: [points, objectives], lower is better.
    """
    no_worse: np.ndarray = np.all(points[:, None] <= points[None], axis=-1)
    better: np.ndarray = np.any(points[:, None] < points[None], axis=-1)
    dominates = no_worse & better
    ranks = np.full(len(points), -1)
    front = 0
    while (ranks < 0).any():
        left = ranks < 0
        dominated = dominates[left].any(0)
        ranks[left & ~dominated] = front
        front += 1
    return ranks


def crowding_distances(points: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """How far the neighbours of each point in its front are, summed over the objectives.

    Args:
      points: [points, objectives].
      ranks: [points], see `domination_ranks`.

    Returns:
      [points]; distances are in units of the front's extent, infinite at its ends.
    """
    distances = np.zeros(len(points))
    for front in range(ranks.max(initial=-1) + 1):
        members = np.flatnonzero(ranks == front)
        for values in points[members].T:
            order = np.argsort(values, kind="stable")
            sorted_values = values[order]
            low, high = sorted_values[0], sorted_values[-1]
            if low == high:  # also the front of all that diverged
                continue
            gaps = (sorted_values[2:] - sorted_values[:-2]) / (high - low)
            distances[members[order]] += np.concatenate([[np.inf], gaps, [np.inf]])
    return distances


def _points(candidates: Sequence[Candidate], fitness: str, cost: str) -> np.ndarray:
    losses = [[candidate.loss(fitness), candidate.loss(cost)] for candidate in candidates]
    points = np.array(losses, dtype=np.float64).reshape(-1, 2)
    points[~np.isfinite(points).all(axis=1)] = np.inf  # diverged: being cheap does not save it
    return points
