"""The page of a report. jinja2 escapes every value, so no name or string can bring markup with it."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lvbert_tf import hparams
from lvbert_tf.search.candidate import DIRECTIONS
from lvbert_tf.search.report import plots
from lvbert_tf.search.report.findings import Compared, Findings
from lvbert_tf.search.report.quantities import duration, quantity

_MOST_ROWS = 2_000  # of candidates; all are in the CSV file


def report_html(findings: Findings) -> str:
    """A page that needs no network and no other file."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["shown"] = lambda value, name: quantity(name).text(value)
    fitness = findings.settings.fitness
    return environment.get_template("page.html").render(
        findings=findings,
        fitness=quantity(fitness),
        best_word="lowest" if DIRECTIONS[fitness] == "minimize" else "highest",
        quantity=quantity,
        nan=math.nan,
        worse_by=lambda compared: _worse_by(findings, compared),
        diverged=len(findings.candidates) - len(findings.finite(findings.candidates)),
        immigrants=sum(candidate.origin == "immigrant" for candidate in findings.candidates),
        rows=findings.ranked[:_MOST_ROWS],
        fronts={cost: {each.number for each in front} for cost, front in findings.fronts.items()},
        plots={
            "progress": plots.progress(findings),
            "generations": plots.generations(findings),
            "layer_types": plots.layer_types(findings),
            "fronts": plots.fronts(findings),
        },
        facts=list(_flat(findings.facts)),
        settings=list(_flat({**hparams.to_json(findings.settings), **findings.space.to_dict()})),
        pretraining_hparams=list(_flat(findings.pretraining_hparams)),
    )


def _worse_by(findings: Findings, compared: Compared) -> str:
    """How much better the best string's fitness is."""
    fitness = findings.settings.fitness
    sign = 1 if DIRECTIONS[fitness] == "minimize" else -1
    difference = sign * (compared.metrics[fitness] - findings.best.metric(fitness))
    return quantity(fitness).text(difference)


def _flat(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Names and values, also those of tables within: (`versions, keras`, `3.13.2`)."""
    for name, value in values.items():
        inner = (*path, "time" if name == "seconds" else str(name))
        if isinstance(value, Mapping):
            yield from _flat(value, inner)
        else:
            yield ", ".join(inner), _text(value, is_time="time" in path)


def _text(value: Any, is_time: bool) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item, is_time) for item in value)
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)):
        return str(value)
    if is_time:
        return duration(value)
    return f"{value:,}" if isinstance(value, int) or not math.isfinite(value) else f"{value:.6g}"
