"""The statistics of `experiments/search_quality.py`, against worked examples and other formulas."""

import numpy as np
import pytest
from scipy import stats

from experiments.evidence.estimates import Estimate, bootstrap, mean_estimate
from experiments.search import experiment, statistics


def test_kendall_counts_pairs():
    """Of the 10 pairs 8 are in the same order and 2 are not."""
    assert statistics.kendall(np.arange(5), np.array([1, 0, 2, 4, 3])) == pytest.approx(0.6)


@pytest.mark.parametrize("values", [1000, 4], ids=["distinct", "tied"])
def test_correlations_equal_scipys(values):
    rng = np.random.default_rng(0)
    x = rng.integers(values, size=30).astype(float)
    y = x + rng.integers(values, size=30)
    assert statistics.kendall(x, y) == pytest.approx(stats.kendalltau(x, y).statistic)
    assert statistics.spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert np.isnan(statistics.kendall(x, np.zeros(30)))
    assert np.isnan(statistics.spearman(np.zeros(30), y))


def test_bootstrap_of_a_mean_has_the_width_of_the_normal_interval():
    x = np.random.default_rng(1).normal(size=400)
    found = bootstrap(lambda a, b: a.mean(), x, x)
    error = x.std() / np.sqrt(len(x))
    assert found.value == x.mean()
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert found == bootstrap(lambda a, b: a.mean(), x, x)


def test_bootstrap_draws_pairs():
    """Equal samples stay equal, however they are drawn."""
    x = np.random.default_rng(2).normal(size=20)
    for statistic in (statistics.kendall, statistics.spearman):
        found = bootstrap(statistic, x, x)
        np.testing.assert_allclose([found.value, found.low, found.high], 1.0)
    noise = np.random.default_rng(3).normal(size=20)
    found = bootstrap(statistics.kendall, x, x + noise)
    assert -1 < found.low < found.value < found.high < 1


@pytest.mark.parametrize(("count", "kept"), [(4, [1, 3]), (5, [1, 3, 4])])
def test_top_half(count, kept):
    losses = np.array([3.0, 0.5, 9.0, 1.0, 2.0])[:count]
    assert sorted(statistics.top_half(losses)) == kept


def test_choice():
    predicted, losses = np.array([0.3, 0.1, 0.2]), np.array([1.0, 1.5, 0.9])
    assert statistics.choose(predicted, losses) == statistics.Choice(1, pytest.approx(0.6), 3)
    assert statistics.choose(losses, losses) == statistics.Choice(2, 0.0, 1)


def test_mean_and_difference():
    """By hand: means 3 and 6, variances 2.5 and 10 of 5 values; t of 4 and 5.882 degrees of freedom."""
    a, b = [1.0, 2, 3, 4, 5], [2.0, 4, 6, 8, 10]
    found = mean_estimate(a)
    assert (found.low, found.high) == pytest.approx((3 - 1.9634, 3 + 1.9634), abs=1e-3)
    found = statistics.difference_estimate(a, b)
    assert found.value == -3
    assert (found.low, found.high) == pytest.approx((-3 - 3.887, -3 + 3.887), abs=2e-3)
    assert not found.excludes(0)
    assert Estimate(2, 1, 3).excludes(0)


def test_pooled_deviation():
    """Sums of squares 2 and 8 over 1 + 2 degrees of freedom; a value alone tells nothing."""
    assert statistics.pooled_deviation([[1, 3], [5], [0, 2, 4]]) == pytest.approx(np.sqrt(10 / 3))


def test_attainable_tau_of_two_strings():
    """Their order is kept if the difference of the noise, of deviation 5, does not exceed theirs."""
    kept = stats.norm.cdf(2 / 5)
    found = statistics.attainable(np.array([0.0, 2.0]), np.array([3.0, 4.0]))
    assert found == pytest.approx(2 * kept - 1, abs=0.05)
    assert statistics.attainable(np.arange(9.0), np.zeros(9)) == 1


def test_strings_are_chosen_by_rule():
    """The best by every metric, and two more by the loss, unless they are trained anyway."""
    strings = ["AAAAAA", "CCCCCC", "AACCAA", "CAAAAC", "FFCCAA", "ACACAC"]
    table = {
        string: {"disc_loss": loss, "disc_auc": auc, "disc_accuracy": 0.5}
        for string, loss, auc in zip(strings, range(6), [0.5, 0.6, 0.9, 0.7, 0.6, 0.6], strict=True)
    }
    chosen = experiment.top_strings([table, table], experiment.SEARCHED, taken=["CCCCCC"])
    assert chosen == ["AAAAAA", "AACCAA", "CAAAAC", "FFCCAA", "ACACAC"]


def test_the_space_is_the_one_that_is_ranked():
    space = experiment.search_space()
    strings = experiment.all_strings(space)
    assert len(strings) == space.size == len(set(strings))
    first = experiment.random_strings()
    assert first[0] == "AFAFAF"
    assert len(set(first)) == 1 + experiment.NUM_RANDOM
    assert set(first) <= set(strings)
