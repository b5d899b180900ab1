"""What scores mean, and candidates by two of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.errors import InputError
from lvbert_tf.search.candidate import COSTS, DIRECTIONS, FITNESS, Candidate, ranked
from lvbert_tf.search.pareto import (
    crowded_order,
    crowding_distances,
    domination_ranks,
    pareto_front,
)


def candidate(number, parameters=1, **scores) -> Candidate:
    return Candidate(number, LayerString("A"), scores, parameters, 1, 0, "random", 0.0)


def test_every_figure_has_a_direction():
    assert set(DIRECTIONS) == {*FITNESS, *COSTS}


def test_metrics_and_losses():
    known = candidate(0, 7, disc_loss=0.5, disc_auc=0.9, mlm_accuracy=float("nan"))
    assert known.metric("parameters") == known.loss("parameters") == 7
    assert known.metric("disc_loss") == known.loss("disc_loss") == 0.5
    assert known.loss("disc_auc") == -0.9
    assert known.metric("mlm_accuracy") == -np.inf
    assert known.loss("mlm_accuracy") == np.inf
    with pytest.raises(InputError, match="gives no latency, only disc_loss, disc_auc"):
        known.metric("latency")


def test_of_equals_the_earlier_ranks_first():
    known = [candidate(i, disc_auc=auc) for i, auc in enumerate([0.5, 0.7, float("nan"), 0.7])]
    assert [one.number for one in ranked(reversed(known), "disc_auc")] == [1, 3, 0, 2]


# Few values, so that many are equal.
clouds = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30)


def dominates(a, b):
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


@given(clouds)
def test_domination_ranks_are_what_peeling_front_after_front_gives(points):
    ranks = domination_ranks(np.array(points, dtype=float).reshape(-1, 2))
    left, front = dict(enumerate(points)), 0
    while left:
        alone = [i for i, p in left.items() if not any(dominates(q, p) for q in left.values())]
        assert {i for i in left if ranks[i] == front} == set(alone)
        for i in alone:
            del left[i]
        front += 1


@given(clouds)
def test_the_front_holds_whatever_nothing_dominates(points):
    known = [candidate(i, int(cost), disc_loss=loss) for i, (loss, cost) in enumerate(points)]
    front = pareto_front(known, "disc_loss", "parameters")
    assert {one.number for one in front} == {
        i for i, p in enumerate(points) if not any(dominates(q, p) for q in points)
    }
    assert front == sorted(front, key=lambda one: (one.parameters, one.number))


def test_crowding_by_hand():
    points = np.array([[0, 10], [1, 6], [4, 4], [9, 1], [10, 0], [5, 5]], dtype=float)
    ranks = domination_ranks(points)
    assert ranks.tolist() == [0, 0, 0, 0, 0, 1]
    distances = crowding_distances(points, ranks)
    assert np.isinf(distances[[0, 4]]).all()
    assert distances[1:4] == pytest.approx([0.4 + 0.6, 0.8 + 0.5, 0.6 + 0.4])
    assert distances[5] == 0  # alone in its front


def test_the_crowded_order_is_by_front_then_by_room_then_by_number():
    points = [(5, 5), (1, 6), (9, 1), (0, 10), (4, 4), (10, 0)]
    known = [candidate(i, cost, disc_loss=loss) for i, (loss, cost) in enumerate(points)]
    order = [one.number for one in crowded_order(known, "disc_loss", "parameters")]
    assert order == [3, 5, 4, 1, 2, 0]


def test_candidates_that_diverged_are_behind_all_others_however_cheap():
    known = [candidate(i, 5 - i, disc_loss=x) for i, x in enumerate([1, np.nan, 3, np.nan, 2])]
    order = [one.number for one in crowded_order(known, "disc_loss", "parameters")]
    assert order == [0, 4, 2, 1, 3]
    assert [one.number for one in pareto_front(known, "disc_loss", "parameters")] == [4, 0]
    assert pareto_front([known[1]], "disc_loss", "parameters") == []
    assert pareto_front([], "disc_loss", "parameters") == []
