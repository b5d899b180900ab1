"""Candidates compared by two metrics at once: which of them dominate others.

Source: Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, 2002.
"""

import bisect
from collections.abc import Sequence

import numpy as np

from lvbert_tf.search.candidate import Candidate


def pareto_front(candidates: Sequence[Candidate], fitness: str, cost: str) -> list[Candidate]:
    """The candidates that no other candidate dominates.

    A candidate dominates another if it is no worse in both metrics and better in one of them.

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
    """The number of the front that each point is in.

    Front 0 is the Pareto front of all points, front 1 the Pareto front of the points outside front 0,
    and so on.

    In the order of the first objective a point is dominated by exactly those fronts whose lowest second
    objective so far is not above its own, and these are the first ones. So a binary search finds its
    front (Jensen, IEEE Trans. Evolutionary Computation 7(5), 2003), and n points take n log n steps.

    Args:
      points: shape (points, 2); lower is better.

    Returns:
      integers of shape (points,).
    """
    ranks = np.zeros(len(points), dtype=int)
    lowest: list[float] = []  # of the second objective in each front
    before, rank = None, 0
    for index in np.lexsort(points.T[::-1]):
        first, second = points[index].tolist()
        if (first, second) != before:  # equal points do not dominate each other
            before, rank = (first, second), bisect.bisect_right(lowest, second)
            lowest[rank : rank + 1] = [second]
        ranks[index] = rank
    return ranks


def crowding_distances(points: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """The distance between the two neighbours of each point in its front, summed over the objectives.

    Args:
      points: shape (points, objectives).
      ranks: shape (points,), from `domination_ranks`.

    Returns:
      shape (points,); distances are in units of the front's extent, infinite at its ends.
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
