"""`best.toml`: how to pre-train the string that a search has found, from scratch."""

import json
import re
from collections.abc import Mapping
from typing import Any

from lvbert_tf.search.report.quantities import quantity
from lvbert_tf.search.report.results import Results

# TOML has no null; these are other words for it, where leaving the hparam out would mean another.
_NULL = {"keep_checkpoint_max": 0}


def best_toml(results: Results) -> str:
    """What `run_pretraining.py --hparams` takes to train the winner."""
    best, name = results.best, results.settings.fitness
    values = {**results.pretraining_hparams, "custom_layer_list": str(best.string)}
    comments = [
        f"The best of {len(results.candidates)} layer strings that the search"
        f" {results.name!r:.200} scored:",
        f"{quantity(name).label} {quantity(name).text(best.figure(name))} with the supernet's"
        f" weights, {best.parameters:,} parameters.",
        "To train it from scratch: run_pretraining.py --data_dir DATA --model_name NAME"
        " --hparams best.toml",
    ]
    return "".join(f"# {comment}\n" for comment in comments) + "\n" + _toml(values)


def _toml(values: Mapping[str, Any], table: str = "") -> str:
    """TOML of JSON types; without nulls."""
    present = {**values, **{n: word for n, word in _NULL.items() if values.get(n, "") is None}}
    present = {name: value for name, value in present.items() if value is not None}
    lines = [
        f"{_key(name)} = {_scalar(value)}\n"
        for name, value in present.items()
        if not isinstance(value, Mapping)
    ]
    for name, value in present.items():
        if isinstance(value, Mapping):
            path = f"{table}.{_key(name)}" if table else _key(name)
            lines.append(f"\n[{path}]\n{_toml(value, path)}")
    return "".join(lines)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _scalar(name)


def _scalar(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_scalar, value))}]"
    if isinstance(value, float):
        return repr(value)  # TOML has nan and inf, too
    # JSON escapes as TOML does, except that TOML wants DEL escaped as well.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
