"""Figures of many candidates, against their definitions."""

import itertools
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reported import CANDIDATES

from lvbert_tf.search.report.statistics import best_so_far, expected_best, layer_shares


def test_the_best_so_far_never_gets_worse():
    losses = np.array([np.inf, 3.0, 4.0, 2.0, 2.0, 5.0])
    assert best_so_far(losses).tolist() == [np.inf, 3.0, 3.0, 2.0, 2.0, 2.0]


@given(st.lists(st.floats(-100, 100), max_size=7))
def test_the_expected_best_is_the_mean_over_all_choices(losses):
    means = [
        statistics.fmean(map(min, itertools.combinations(losses, chosen)))
        for chosen in range(1, len(losses) + 1)
    ]
    assert expected_best(np.array(losses)) == pytest.approx(means, abs=1e-9)


def test_the_expected_best_of_many_is_exact_at_both_ends():
    losses = np.random.default_rng(0).normal(size=3000)
    expected = expected_best(losses)
    assert expected[0] == pytest.approx(losses.mean())
    assert expected[-1] == pytest.approx(losses.min())
    assert (np.diff(expected) <= 1e-12).all()


def test_layer_shares_count_the_layers_of_a_position():
    shares = layer_shares(CANDIDATES[:4], "CAF")
    assert shares.shape == (3, 8)
    assert shares[:, 0].tolist() == [0.25, 0.5, 0.25]  # A A F C
    assert shares[:, 7].tolist() == [0.25, 0.25, 0.5]  # F F C A
