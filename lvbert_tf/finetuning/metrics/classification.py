"""Metrics of predicted classes, by scikit-learn."""

from collections.abc import Callable, Sequence

import numpy as np

CLASSIFICATION_METRICS = ("accuracy", "f1", "macro_f1", "mcc")


def score_classes(
    references: Sequence[int], predictions: Sequence[int], names: Sequence[str]
) -> dict[str, float]:
    """Scores predicted classes.

    Args:
      references, predictions: indices into the task's classes, one for each example.
      names: metrics among `CLASSIFICATION_METRICS`. `mcc` is Matthews' correlation coefficient; `f1`
        is that of class 1, "yes" in GLUE's tasks; `macro_f1` is the mean over the classes that occur in
        the references or the predictions.

    Returns:
      the metrics by name, in percent; 0 where a metric is undefined, as mcc is if all references or
      all predictions have the same class.

    Raises:
      ValueError: there are no references, or not as many predictions.
    """
    expected, predicted = np.asarray(references), np.asarray(predictions)
    if not len(expected) or expected.shape != predicted.shape:
        raise ValueError(f"{len(expected)} references but {len(predicted)} predictions")
    # Not at the top: who only predicts need not wait for it.
    from sklearn import metrics

    scores: dict[str, Callable[[], float]] = {
        "accuracy": lambda: metrics.accuracy_score(expected, predicted),
        "f1": lambda: metrics.f1_score(expected == 1, predicted == 1, zero_division=0.0),
        "macro_f1": lambda: metrics.f1_score(
            expected, predicted, average="macro", zero_division=0.0
        ),
        # scikit-learn also gives 0 if the references have a single class, but with a warning.
        "mcc": lambda: metrics.matthews_corrcoef(expected, predicted) if np.ptp(expected) else 0.0,
    }
    return {name: 100.0 * float(scores[name]()) for name in names}
