"""Hparams of a search that takes seconds, over the records of `tiny_run`."""

import json

import tiny_run

from lvbert_tf.search.settings import DECIDED

SETTINGS = {
    "num_layers": 3,
    "layer_types": "CAF",
    "max_parameters": "unlimited",
    "max_flops": "unlimited",
    "population_size": 5,
    "num_generations": 2,
    "num_parents": 2,
    "num_mutations": 2,
    "num_crossovers": 2,
    "num_train_steps": 6,
    "save_checkpoints_steps": 2,
}
CANDIDATES = 5 + 2 * 4


def hparams_json(**changes) -> str:
    """As the command line takes them; a change to None leaves a name out."""
    values = {**tiny_run.hparams(), **SETTINGS, **changes}
    return json.dumps(
        {k: v for k, v in values.items() if v is not None and (k not in DECIDED or k in changes)}
    )
