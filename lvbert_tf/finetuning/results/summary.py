"""Figures over trials, and the best of the trials."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lvbert_tf.finetuning.metrics import higher_is_better
from lvbert_tf.finetuning.results.results import TrialResult


@dataclass(frozen=True)
class Summary:
    """One figure over the trials that have it. The published way to report it is the median.

    Args:
      std: standard deviation of the sample (n - 1); None for a single trial.
      number: of trials.
    """

    median: float
    mean: float
    std: float | None
    minimum: float
    maximum: float
    number: int


def summarize(figures: Sequence[float]) -> Summary:
    """Summarizes one figure of several trials; all is NaN if one is."""
    values = np.asarray(figures, np.float64)
    with np.errstate(invalid="ignore"):  # the deviation of an infinite loss
        return Summary(
            median=float(np.median(values)),
            mean=float(values.mean()),
            std=float(values.std(ddof=1)) if len(values) > 1 else None,
            minimum=float(values.min()),
            maximum=float(values.max()),
            number=len(values),
        )


def summarize_trials(trials: Sequence[TrialResult]) -> dict[str, dict[str, dict[str, Summary]]]:
    """Summaries by task, split and metric, in the order in which the trials have them."""
    collected: dict[str, dict[str, dict[str, list[float]]]] = {}
    for trial in trials:
        for task, splits in trial.figures.items():
            for split, figures in splits.items():
                lists = collected.setdefault(task, {}).setdefault(split, {})
                for metric, figure in figures.items():
                    lists.setdefault(metric, []).append(figure)
    return {
        task: {
            split: {metric: summarize(values) for metric, values in lists.items()}
            for split, lists in splits.items()
        }
        for task, splits in collected.items()
    }


def best_trial(trials: Sequence[TrialResult]) -> TrialResult:
    """The trial with the best main figure: a task's first metric on its first split.

    With several tasks it is the mean of theirs, a metric of which less is better counting as negative.
    The first trial wins a tie; one without figures, or with one that is not finite, loses.
    """
    return max(trials, key=_quality)


def _quality(trial: TrialResult) -> float:
    qualities = []
    for splits in trial.figures.values():
        for metric, figure in next(iter(splits.values()), {}).items():
            qualities.append(figure if higher_is_better(metric) else -figure)
            break
    quality = float(np.mean(qualities)) if qualities else -math.inf
    return quality if math.isfinite(quality) else -math.inf
