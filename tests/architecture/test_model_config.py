"""The description of an encoder: its parameters and FLOPs, what it refuses, and writing it down."""

import json
import re

import pytest

from lvbert_tf.architecture.layer_string import LV_BERT_SMALL
from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.errors import InputError

MODEL = ModelConfig(30522, LV_BERT_SMALL, 4, 256, 1024, 128)


def test_parameters_of_the_published_discriminator():
    assert MODEL.num_parameters() == 12_525_856


def test_parameters_by_hand():
    # Tables (11 + 5 + 2) x 4 and their LayerNorm, projection 4 -> 8, one attention layer.
    model = ModelConfig(11, "A", 2, 8, 16, 4, max_sequence_length=5)
    assert model.num_parameters() == 18 * 4 + 8 + (4 * 8 + 8) + (4 * 72 + 16)
    assert model.replace(embedding_dim=8).num_parameters() == 18 * 8 + 16 + (4 * 72 + 16)


def test_flops_add_the_projection():
    layers = LV_BERT_SMALL.flops(MODEL.widths, 128)
    assert MODEL.flops(128) == layers + 128 * 2 * 128 * 256
    assert MODEL.replace(embedding_dim=256).flops(128) == layers


def test_model_config_round_trip():
    written = json.loads(json.dumps(MODEL.to_dict()))
    assert written["layer_string"] == str(LV_BERT_SMALL)
    assert ModelConfig.from_dict(written) == MODEL
    assert hash(ModelConfig.from_dict(written)) == hash(MODEL)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_heads": 3}, "hidden_dim 256 is not a multiple of num_heads 3"),
        ({"hidden_dim": 0}, "hidden_dim: 0 is not allowed; use >= 1"),
        ({"dropout": 1.0}, "dropout: 1.0 is not allowed; use >= 0 and < 1"),
        ({"initializer_range": 0.0}, "initializer_range: 0.0 is not allowed; use > 0"),
        ({"layer_string": "CXF"}, "layer_string: layer code 'X' at position 1"),
    ],
)
def test_impossible_models_are_refused(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        MODEL.replace(**changes)


def test_a_model_without_a_required_value_is_refused():
    with pytest.raises(InputError, match="'num_heads' is missing"):
        ModelConfig.from_dict({"vocabulary_size": 9, "layer_string": "A", "hidden_dim": 8})
