"""The trials of a run as a whole: statistics, the best trial, and the files in `results/`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lvbert_tf.finetuning.metrics import higher_is_better
from lvbert_tf.finetuning.results.trial_result import TrialResult
from lvbert_tf.io.whole import replace_file, write_json


@dataclass(frozen=True)
class Summary:
    """One metric over the trials that have it. Papers report the median.

    Args:
      std: the standard deviation of the sample (n - 1); None for a single trial.
      number: the number of trials.
    """

    median: float
    mean: float
    std: float | None
    minimum: float
    maximum: float
    number: int


def summarize(numbers: Sequence[float]) -> Summary:
    """Summarizes the values of one metric; every statistic is NaN if one of them is."""
    values = np.asarray(numbers, np.float64)
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
    """Summaries by task, split and metric, in the order of the trials' metrics."""
    collected: dict[str, dict[str, dict[str, list[float]]]] = {}
    for trial in trials:
        for task, splits in trial.metrics.items():
            for split, metrics in splits.items():
                lists = collected.setdefault(task, {}).setdefault(split, {})
                for metric, value in metrics.items():
                    lists.setdefault(metric, []).append(value)
    return {
        task: {
            split: {metric: summarize(values) for metric, values in lists.items()}
            for split, lists in splits.items()
        }
        for task, splits in collected.items()
    }


def best_trial(trials: Sequence[TrialResult]) -> TrialResult:
    """The trial with the best main metric: a task's first metric on its first split.

    With several tasks the mean of their main metrics decides, where a metric counts as negative if less
    is better. The first trial wins a tie. A trial loses if it has no metrics, or a main one that is not
    finite.
    """
    return max(trials, key=_quality)


def _quality(trial: TrialResult) -> float:
    qualities = []
    for splits in trial.metrics.values():
        for metric, value in next(iter(splits.values()), {}).items():
            qualities.append(value if higher_is_better(metric) else -value)
            break
    quality = float(np.mean(qualities)) if qualities else -math.inf
    return quality if math.isfinite(quality) else -math.inf


def write_results(
    results_dir: Path,
    task_names: Sequence[str],
    trials: Sequence[TrialResult],
    settings: Mapping[str, Any],
) -> None:
    """Writes `<tasks>_results.json` and `<tasks>_results.txt`; the tasks are joined by commas.

    The JSON has `tasks`, `settings`, `trials` (see `TrialResult.to_json_dict`) and `summary` (task ->
    split -> metric -> median, mean, std, minimum, maximum, number). A number that is not finite is
    null. The text is that of `results_text`.

    Args:
      results_dir: the directory, which is created if need be.
      task_names: the tasks of the run.
      trials: the results so far.
      settings: the hparams of the run, in JSON's types.

    Raises:
      InputError: a file cannot be written; the old one is then untouched.
    """
    results_dir.mkdir(parents=True, exist_ok=True)
    stem = ",".join(task_names)
    content = {
        "tasks": list(task_names),
        "settings": dict(settings),
        "trials": [trial.to_json_dict() for trial in trials],
        "summary": {
            task: {
                split: {metric: _plain(summary) for metric, summary in summaries.items()}
                for split, summaries in splits.items()
            }
            for task, splits in summarize_trials(trials).items()
        },
    }
    replace_file(results_dir / f"{stem}_results.txt", results_text(trials))
    write_json(results_dir / f"{stem}_results.json", content)


def results_text(trials: Sequence[TrialResult]) -> str:
    """The results as the reference writes them: `cola: mcc: 57.04 - loss: 0.45` for a trial and task.

    The reference scores one dev set for each task. Here the further dev sets have lines of their own,
    which begin with task and split: `mnli_dev_mismatched: accuracy: 79.10 - loss: 0.55`.
    """
    lines = []
    for trial in trials:
        for task, splits in trial.metrics.items():
            for index, (split, metrics) in enumerate(splits.items()):
                lines.append(_line(f"{task}_{split}" if index else task, metrics))
    return "".join(line + "\n" for line in lines)


def _line(name: str, metrics: Mapping[str, float]) -> str:
    return f"{name}: " + " - ".join(f"{metric}: {value:.2f}" for metric, value in metrics.items())


def _plain(summary: Summary) -> dict[str, Any]:
    return {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in asdict(summary).items()
    }
