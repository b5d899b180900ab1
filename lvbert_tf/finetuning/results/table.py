"""The trials of a run as a table for the terminal."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from lvbert_tf.finetuning.results.summary import Summary, summarize
from lvbert_tf.finetuning.results.trial_result import TrialResult

_SUMMARY_ROWS = ("median", "mean", "std")


@dataclass(frozen=True)
class _Column:
    """A header of several lines, and a metric's value for each trial, None where it has none."""

    header: str
    values: tuple[float | None, ...]

    @property
    def summary(self) -> Summary | None:
        known = [value for value in self.values if value is not None]
        return summarize(known) if known else None


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
    for task, names in metrics.items():
        # A dictionary keeps their order; a set does not.
        splits = list(dict.fromkeys(split for t in trials for split in t.metrics.get(task, {})))
        for split in splits:
            for metric in names:
                header = [task] * (len(metrics) > 1) + [split] * (len(splits) > 1) + [metric]
                values = [t.metrics.get(task, {}).get(split, {}).get(metric) for t in trials]
                columns.append(_Column("\n".join(header), tuple(values)))
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
