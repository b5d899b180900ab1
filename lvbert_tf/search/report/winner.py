"""`best.toml`: how to pre-train the string that a search has found, from scratch."""

from collections.abc import Mapping
from typing import Any

import tomli_w

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
