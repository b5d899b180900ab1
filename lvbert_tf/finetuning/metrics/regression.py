"""Figures of numbers, by SciPy."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

REGRESSION_METRICS = ("pearson", "spearman", "mse")


def score_numbers(
    references: Sequence[float], predictions: Sequence[float], names: Sequence[str]
) -> dict[str, float]:
    """Scores predicted numbers.

    Args:
      references, predictions: in the same units, one for each example.
      names: among `REGRESSION_METRICS`.

    Returns:
      by name: correlations in percent, 0 where either side is constant and none is defined; `mse`,
      the mean squared error, in the square of the units.

    Raises:
      ValueError: fewer than two references, another number of predictions, or one is not finite.
    """
    expected, predicted = np.asarray(references, np.float64), np.asarray(predictions, np.float64)
    if len(expected) < 2 or expected.shape != predicted.shape:
        raise ValueError(f"{len(expected)} references but {len(predicted)} predictions")
    if not np.isfinite(predicted).all():
        raise ValueError("a prediction is not finite")
    constant = np.ptp(expected) == 0 or np.ptp(predicted) == 0
    figures = {
        "pearson": 0.0 if constant else 100.0 * float(stats.pearsonr(expected, predicted)[0]),
        "spearman": 0.0 if constant else 100.0 * float(stats.spearmanr(expected, predicted)[0]),
        "mse": float(np.mean(np.square(expected - predicted))),
    }
    return {name: figures[name] for name in names}
