"""Metrics of predicted numbers, by SciPy."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

REGRESSION_METRICS = ("pearson", "spearman", "mse")


def score_numbers(
    references: Sequence[float], predictions: Sequence[float], names: Sequence[str]
) -> dict[str, float]:
    """Scores predicted numbers.

    Args:
      references, predictions: numbers in the same units, one for each example.
      names: metrics among `REGRESSION_METRICS`.

    Returns:
      the metrics by name. Correlations are in percent; they are 0 if all predictions are equal, and NaN
      if all references are, because nothing correlates with those. `mse`, the mean squared error, is in
      the square of the units.

    Raises:
      ValueError: there are no references, not as many predictions, or one that is not finite.
    """
    expected, predicted = np.asarray(references, np.float64), np.asarray(predictions, np.float64)
    if not len(expected) or expected.shape != predicted.shape:
        raise ValueError(f"{len(expected)} references but {len(predicted)} predictions")
    if not np.isfinite(predicted).all():
        raise ValueError("a prediction is not finite")

    def percent(correlation: Callable[[np.ndarray, np.ndarray], Any]) -> float:
        if np.ptp(expected) == 0:
            return math.nan
        return 100.0 * float(correlation(expected, predicted)[0]) if np.ptp(predicted) else 0.0

    # Not at the top: who only predicts need not wait for it.
    from scipy import stats

    metrics = {
        "pearson": percent(stats.pearsonr),
        "spearman": percent(stats.spearmanr),
        "mse": float(np.mean(np.square(expected - predicted))),
    }
    return {name: metrics[name] for name in names}
