"""The files of a report: the page, the same as data, and how to pre-train the winner."""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from lvbert_tf import hparams
from lvbert_tf.io.whole import replace_file
from lvbert_tf.search.candidate import DIRECTIONS, Candidate
from lvbert_tf.search.report.findings import Findings
from lvbert_tf.search.report.page import report_html
from lvbert_tf.search.report.quantities import quantity
from lvbert_tf.search.report.statistics import best_so_far, expected_best, layer_shares

# TOML has no null; these are other words for it, where leaving the hparam out would mean another.
_NULL = {"keep_checkpoint_max": 0}


def write_report(directory: Path, findings: Findings) -> None:
    """Writes report.html, report.json, candidates.csv and best.toml.

    A reader of a search that goes on sees whole files. The same findings make the same bytes.

    Args:
      directory: of the search; exists.
      findings: what is reported.

    Raises:
      InputError: the candidates or the references were not given the fitness, or a file cannot be
        written.
    """
    contents = {
        "candidates.csv": candidates_csv(findings),
        "report.json": report_json(findings),
        "best.toml": best_toml(findings),
        "report.html": report_html(findings),
    }
    for name, text in contents.items():
        replace_file(directory / name, text)


def candidates_csv(findings: Findings) -> str:
    """The candidates from best to worst, a column for each score."""
    scores = [name for name in findings.metric_names if name not in ("parameters", "flops")]
    fields = [field.name for field in dataclasses.fields(Candidate) if field.name != "scores"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*fields, *scores])
    for candidate in findings.ranked:
        values = [getattr(candidate, name) for name in fields]
        writer.writerow([*values, *(candidate.scores.get(name) for name in scores)])
    return text.getvalue()


def report_json(findings: Findings) -> str:
    """Everything. A number that is not finite is the text "nan", "inf" or "-inf"."""
    random = findings.losses(findings.finite(findings.random))
    layer_types = findings.space.layer_types
    groups = {"best": findings.among_the_best, "random": findings.random}
    value = {
        "name": findings.name,
        "fitness": findings.settings.fitness,
        "direction": DIRECTIONS[findings.settings.fitness],
        "best": findings.best,
        "comparison": [
            {"label": line.label, "string": line.string, "figures": line.metrics}
            for line in findings.comparison
        ],
        "references": findings.baselines,
        "best_so_far": {
            "search": findings.fitness(best_so_far(findings.losses(findings.candidates))),
            "random": findings.fitness(best_so_far(findings.losses(findings.random))),
            "random_expected": findings.fitness(expected_best(random)),
        },
        "layer_types": {
            name: {
                "strings": len(group),
                "shares": dict(zip(layer_types, layer_shares(group, layer_types), strict=True)),
            }
            for name, group in groups.items()
            if group
        },
        "pareto_fronts": {
            cost: [candidate.number for candidate in front]
            for cost, front in findings.fronts.items()
        },
        "candidates": list(findings.candidates),
        "random_search": list(findings.random_search),
        "settings": hparams.to_json(findings.settings),
        "space": findings.space.to_dict(),
        "pretraining_hparams": findings.pretraining_hparams,
        "facts": findings.facts,
    }
    return json.dumps(_plain(value), indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (bool, int, str)) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # arrays and numbers of numpy
        return _plain(value.tolist())
    if dataclasses.is_dataclass(value) and not hasattr(value, "parse"):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    return str(value)  # a LayerString, a Limit, a path


def best_toml(findings: Findings) -> str:
    """What `run_pretraining.py --hparams` takes to train the winner."""
    best, name = findings.best, findings.settings.fitness
    values = {**findings.pretraining_hparams, "custom_layer_list": str(best.string)}
    comments = [
        f"The best of {len(findings.candidates)} layer strings that the search"
        f" {findings.name!r:.200} scored:",
        f"{quantity(name).label} {quantity(name).text(best.metric(name))} with the supernet's"
        f" weights, {best.parameters:,} parameters.",
        "To train it from scratch: run_pretraining.py --data_dir DATA --model_name NAME"
        " --hparams best.toml",
    ]
    return (
        "".join(f"# {comment}\n" for comment in comments)
        + "\n"
        + tomli_w.dumps(_without_nulls(values))
    )


def _without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    present = {**values, **{n: word for n, word in _NULL.items() if values.get(n, "") is None}}
    return {
        name: _without_nulls(value) if isinstance(value, Mapping) else value
        for name, value in present.items()
        if value is not None
    }
