"""Metrics of predicted classes, by scikit-learn."""

from collections.abc import Callable, Sequence

import numpy as np
from sklearn import metrics

# f1 is that of the second class, "yes" in GLUE's tasks. macro_f1 is the mean over the classes that
# occur in the references or the predictions.
_METRICS: dict[str, Callable[..., float]] = {
    "accuracy": metrics.accuracy_score,
    "f1": lambda references, predictions: metrics.f1_score(
        references == 1, predictions == 1, zero_division=0.0
    ),
    "macro_f1": lambda references, predictions: metrics.f1_score(
        references, predictions, average="macro", zero_division=0.0
    ),
    # scikit-learn also gives 0 if the references have a single class, but with a warning.
    "mcc": lambda references, predictions: (
        metrics.matthews_corrcoef(references, predictions) if np.ptp(references) else 0.0
    ),
}
CLASSIFICATION_METRICS = tuple(_METRICS)


def score_classes(
    references: Sequence[int], predictions: Sequence[int], names: Sequence[str]
) -> dict[str, float]:
    """Scores predicted classes.

    Args:
      references, predictions: indices into the task's classes, one for each example.
      names: metrics among `CLASSIFICATION_METRICS`. `mcc` is Matthews' correlation coefficient; `f1`
        is that of class 1.

    Returns:
      the metrics by name, in percent; 0 where a metric is undefined, as mcc is if all references or
      all predictions have the same class.

    Raises:
      ValueError: there are no references, or not as many predictions.
    """
    expected, predicted = np.asarray(references), np.asarray(predictions)
    if not len(expected) or expected.shape != predicted.shape:
        raise ValueError(f"{len(expected)} references but {len(predicted)} predictions")
    return {name: 100.0 * float(_METRICS[name](expected, predicted)) for name in names}
