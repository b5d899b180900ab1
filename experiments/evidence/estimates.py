"""A number that was measured, and how sure it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 2000

Sample = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Estimate:
    """A number that was measured, and its 95% interval."""

    value: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether the interval does not hold `value`."""
        return not self.low <= value <= self.high

    def shown(self, digits: int = 2) -> str:
        """For a table, e.g. `0.63 (0.42 to 0.81)`."""
        value, low, high = (f"{number:.{digits}f}" for number in (self.value, self.low, self.high))
        return f"{value} ({low} to {high})"


def mean_estimate(values: Sample) -> Estimate:
    """The mean of at least two values with Student's interval."""
    mean, error = np.mean(values), stats.sem(values)
    margin = error * stats.t.ppf((1 + CONFIDENCE) / 2, np.size(values) - 1)
    return Estimate(float(mean), float(mean - margin), float(mean + margin))


def bootstrap(statistic: Callable[..., float], *columns: Sample, seed: int = 0) -> Estimate:
    """A statistic with its percentile bootstrap interval over the rows.

    A pair that is drawn twice ties with itself in both columns; tau-b leaves such ties out.

    Args:
      statistic: of columns of equal length.
      columns: [rows] each; a row is drawn whole.
      seed: of the resamples, `RESAMPLES` of them.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    samples = [np.asarray(column) for column in columns]
    rows = len(samples[0])
    draws = np.random.default_rng(seed).integers(rows, size=(RESAMPLES, rows))
    values = np.array([statistic(*(sample[draw] for sample in samples)) for draw in draws])
    tail = 100 * (1 - CONFIDENCE) / 2
    defined = values[~np.isnan(values)]
    low, high = np.percentile(defined, [tail, 100 - tail]) if len(defined) else (np.nan, np.nan)
    return Estimate(float(statistic(*samples)), float(low), float(high))
