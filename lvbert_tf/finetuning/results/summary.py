"""All trials of a run: their statistics, the best one, the files in `results/`, the table to print."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from lvbert_tf.finetuning.metrics import higher_is_better
from lvbert_tf.finetuning.results.trial_directory import TrialResult
from lvbert_tf.io.whole import replace_file, write_json

_SUMMARY_ROWS = ("median", "mean", "std")


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


@dataclass(frozen=True)
class _Column:
    """A column of the table: one metric.

    Args:
      header: several lines.
      values: the metric of each trial; None where a trial lacks it.
      summary: the metric over the trials that have it; None if none has.
    """

    header: str
    values: tuple[float | None, ...]
    summary: Summary | None


def results_table(
    trials: Sequence[TrialResult], metrics: Mapping[str, Sequence[str]], width: int = 100
) -> str:
    """A row for every trial with its seed, then the median, mean and standard deviation.

    Args:
      trials: one or more trials.
      metrics: task -> the metrics to show for each of its splits. The header names the task if there
        are several, and the split if the task has several.
      width: characters of a line at most. Columns that do not fit come in a further table below.
    """
    columns = _columns(trials, metrics)
    tables: list[list[_Column]] = [[]]
    for column in columns:
        if tables[-1] and _width(_table(trials, [*tables[-1], column])) > width:
            tables.append([])
        tables[-1].append(column)
    return "\n".join(_text(_table(trials, part), width) for part in tables)


def _columns(trials: Sequence[TrialResult], metrics: Mapping[str, Sequence[str]]) -> list[_Column]:
    columns = []
    summaries = summarize_trials(trials)
    for task, names in metrics.items():
        splits = summaries.get(task, {})
        for split, found in splits.items():
            for metric in names:
                header = [task] * (len(metrics) > 1) + [split] * (len(splits) > 1) + [metric]
                values = [t.metrics.get(task, {}).get(split, {}).get(metric) for t in trials]
                columns.append(_Column("\n".join(header), tuple(values), found.get(metric)))
    return columns


def _table(trials: Sequence[TrialResult], columns: Sequence[_Column]) -> Table:
    table = Table(box=box.HORIZONTALS, pad_edge=False)
    for header in ("trial", "seed", *(column.header for column in columns)):
        table.add_column(header, justify="right", vertical="bottom", no_wrap=True)
    for index, trial in enumerate(trials):
        cells = [_cell(column.values[index]) for column in columns]
        table.add_row(str(trial.trial), str(trial.seed), *cells)
    table.add_section()
    for name in _SUMMARY_ROWS:
        summaries = [column.summary for column in columns]
        cells = [_cell(getattr(summary, name) if summary else None) for summary in summaries]
        table.add_row(name, "", *cells)
    return table


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _console(width: int) -> Console:
    # Plain text, without colours; brackets in a name are not markup.
    return Console(
        file=io.StringIO(),
        width=width,
        color_system=None,
        markup=False,
        emoji=False,
        highlight=False,
    )


def _width(table: Table) -> int:
    console = _console(width=10_000)  # wider than any table, so that none is squeezed
    return Measurement.get(console, console.options, table).maximum


def _text(table: Table, width: int) -> str:
    console = _console(max(width, _width(table)))
    with console.capture() as captured:
        console.print(table)
    return "".join(line.rstrip() + "\n" for line in captured.get().splitlines())
