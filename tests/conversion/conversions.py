"""What tests of conversions share."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.conversion.conversion import convert
from lvbert_tf.errors import InputError

# Fixture of a reference checkpoint -> the code that wrote it.
CODES = {"tiny": "lv_bert", "electra_order": "lv_bert", "official_electra": "electra"}


def fixture_hparams(directory: Path) -> str:
    """The hparams that describe a reference checkpoint."""
    config = json.loads((directory / "config.json").read_text())
    names = ("hidden_size", "num_attention_heads", "intermediate_size")
    overrides = {name: config[name] for name in names}
    size = config["generator_hidden_size"]
    return json.dumps({"generator_hidden_size": size, "model_hparam_overrides": overrides})


def tensors_of(checkpoint) -> dict[str, np.ndarray]:
    """The weights; the step, which evaluation in the reference needs, is none."""
    reader = tf.train.load_checkpoint(str(checkpoint))
    names = set(reader.get_variable_to_shape_map()) - {"global_step"}
    return {name: reader.get_tensor(name) for name in names}


def refusal(*arguments, **named) -> str:
    """The message, of one line, with which a conversion is refused."""
    with pytest.raises(InputError) as caught:
        convert(*arguments, **named)
    message = str(caught.value)
    assert "\n" not in message
    return message
