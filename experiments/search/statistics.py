"""How two rankings agree, what a choice costs, and how sure a mean is."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.evidence.estimates import CONFIDENCE, RESAMPLES, Estimate, Sample


def kendall(x: np.ndarray, y: np.ndarray) -> float:
    """Kendall's tau-b of two samples of equal length; NaN if one of them is constant."""
    return float(stats.kendalltau(x, y).statistic)


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation; NaN if one of them is constant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return float(stats.spearmanr(x, y).statistic)


def top_half(losses: np.ndarray) -> np.ndarray:
    """Indices of the better half, the middle one included: [ceil(strings / 2)]."""
    return np.argsort(losses, kind="stable")[: (len(losses) + 1) // 2]


@dataclass(frozen=True)
class Choice:
    """What a ranking chooses: the index, its true loss above the least one, its true place from 1."""

    index: int
    regret: float
    place: int


def choose(predicted: np.ndarray, losses: np.ndarray) -> Choice:
    """The choice of the least predicted loss; of equals, the first.

    Args:
      predicted: [strings], such as the supernet's losses.
      losses: [strings], those that count.
    """
    index = int(np.argmin(predicted))
    return Choice(
        index, float(losses[index] - losses.min()), 1 + int((losses < losses[index]).sum())
    )


def difference_estimate(a: Sample, b: Sample) -> Estimate:
    """Mean of `a` minus mean of `b` with Welch's interval, which lets their variances differ."""
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(CONFIDENCE)
    return Estimate(float(np.mean(a) - np.mean(b)), float(interval.low), float(interval.high))


def pooled_deviation(groups: Sequence[Sample]) -> float:
    """The standard deviation within groups, pooled over those with two values or more."""
    repeated = [np.asarray(group) for group in groups if np.size(group) > 1]
    squares = sum(((group - group.mean()) ** 2).sum() for group in repeated)
    return float(np.sqrt(squares / sum(len(group) - 1 for group in repeated)))


def attainable(losses: np.ndarray, deviations: np.ndarray, seed: int = 0) -> float:
    """The tau of a perfect prediction with a measurement, on average.

    What was measured stands for the truth, though it has noise already; so it is somewhat too high.

    Args:
      losses: [strings], measured.
      deviations: [strings], standard errors of the measurements.
      seed: of the noise that is drawn.
    """
    noise = np.random.default_rng(seed).normal(0, 1, (RESAMPLES, len(losses))) * deviations
    return float(np.mean([kendall(losses, losses + draw) for draw in noise]))
