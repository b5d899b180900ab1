"""The same as the page, to be read by programs: the candidates as CSV, everything as JSON."""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping
from typing import Any

from lvbert_tf import hparams
from lvbert_tf.search.candidate import DIRECTIONS, Candidate
from lvbert_tf.search.report.results import Results
from lvbert_tf.search.report.statistics import best_so_far, expected_best, layer_shares


def candidates_csv(results: Results) -> str:
    """The candidates from best to worst, a column for each score."""
    scores = [name for name in results.figure_names if name not in ("parameters", "flops")]
    fields = [field.name for field in dataclasses.fields(Candidate) if field.name != "scores"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*fields, *scores])
    for candidate in results.ranked:
        values = [getattr(candidate, name) for name in fields]
        writer.writerow([*values, *(candidate.scores.get(name) for name in scores)])
    return text.getvalue()


def report_json(results: Results) -> str:
    """Everything. A number that is not finite is the text "nan", "inf" or "-inf"."""
    random = results.losses(results.finite(results.random))
    layer_types = results.space.layer_types
    groups = {"best": results.among_the_best, "random": results.random}
    value = {
        "name": results.name,
        "fitness": results.settings.fitness,
        "direction": DIRECTIONS[results.settings.fitness],
        "best": results.best,
        "comparison": results.comparison,
        "references": results.baselines,
        "best_so_far": {
            "search": results.fitness(best_so_far(results.losses(results.candidates))),
            "random": results.fitness(best_so_far(results.losses(results.random))),
            "random_expected": results.fitness(expected_best(random)),
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
            for cost, front in results.fronts.items()
        },
        "candidates": list(results.candidates),
        "random_search": list(results.random_search),
        "settings": hparams.to_json(results.settings),
        "space": results.space.to_dict(),
        "pretraining_hparams": results.pretraining_hparams,
        "facts": results.facts,
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
