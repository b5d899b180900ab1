"""A layer type that the package does not know goes through everything that a string goes through.

This is also the example of docs/architecture.md: a row of the table, a Keras layer, and the layer's
builder. Nothing else has to change. Other code bases do not have the layer, and formats that are theirs
refuse it.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.architecture.costs import dense_flops, dense_parameters
from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.architecture.layer_types import LAYER_TYPES, LayerType, Widths
from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.errors import InputError
from lvbert_tf.interop import huggingface_names, reference_names
from lvbert_tf.interop.huggingface_formats import ELECTRA, LV_BERT
from lvbert_tf.interop.huggingface_writing import huggingface_models
from lvbert_tf.interop.reference_writing import reference_weights
from lvbert_tf.models import ElectraPretrainer, LVBertBackbone, Supernet
from lvbert_tf.models.parts import SUBLAYERS
from lvbert_tf.models.supernet import selected_path
from lvbert_tf.search.report import drawing
from lvbert_tf.search.space import SearchSpace


@keras.saving.register_keras_serializable(package="tests")
class GatedUnit(keras.layers.Layer):
    """`x * sigmoid(x W + b)`, for each position by itself."""

    def __init__(self, hidden_dim, **kwargs):
        super().__init__(**kwargs)
        self.hidden_dim = self.output_dim = hidden_dim
        self.gate = keras.layers.Dense(hidden_dim, "sigmoid", name="gate")

    def build(self, x_shape, padding_mask_shape=None):
        self.gate.build(x_shape)

    def call(self, x, padding_mask=None, training=None):
        return x * self.gate(x)

    def get_config(self):
        return {**super().get_config(), "hidden_dim": self.hidden_dim}


def gated_unit_parameters(widths: Widths) -> int:
    gate_and_output = 2 * dense_parameters(widths.hidden_dim, widths.hidden_dim)
    return gate_and_output


def gated_unit_flops(widths: Widths, length: int) -> int:
    return length * 2 * dense_flops(widths.hidden_dim, widths.hidden_dim)


def build_gated_unit(config, dtype):
    return GatedUnit(config.hidden_dim, dtype=dtype, name="gated_unit")


@pytest.fixture
def gated_unit(monkeypatch):
    """The layer type G, gated unit, for the time of a test."""
    row = LayerType("G", 3, "gated unit", gated_unit_parameters, gated_unit_flops)
    monkeypatch.setitem(LAYER_TYPES, row.letter, row)
    monkeypatch.setitem(SUBLAYERS, row.letter, build_gated_unit)


def model_config(string="GAFC"):
    return ModelConfig(
        vocabulary_size=11,
        layer_string=LayerString(string),
        hidden_dim=8,
        num_heads=2,
        intermediate_dim=16,
        embedding_dim=8,
        dropout=0.0,
        attention_dropout=0.0,
        max_sequence_length=6,
    )


def inputs():
    ids = np.array([[3, 1, 4, 1, 5, 9]])
    return {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 0 * ids + 1}


def test_string_reads_and_names_it(gated_unit):
    assert LayerString.parse("gA32") == "GAGF"
    assert LayerString("GAF").digits == [3, 1, 2]
    with pytest.raises(InputError, match=r"'X' at position 1 .*G or 3 \(gated unit\)"):
        LayerString.parse("GX")
    assert drawing.layer_label("G") == "G gated unit"
    assert drawing.layer_colours("G") != drawing.layer_colours("F")


def test_backbone_computes_it_and_costs_what_the_table_says(gated_unit):
    config = model_config("GAFC")
    backbone = LVBertBackbone.from_model_config(config)
    assert backbone.count_params() == config.num_parameters()
    more = config.flops(6) - model_config("AFC").flops(6)
    assert more == 6 * 2 * (2 * 8 * 8)

    block = backbone.encoder_layers[0]
    x = np.random.default_rng(0).normal(size=(1, 6, 8)).astype("float32")
    gate = block.sublayer.gate
    gated = x / (1 + np.exp(-(x @ gate.kernel.numpy() + gate.bias.numpy())))
    dense = block.output_dense
    summed = x + gated @ dense.kernel.numpy() + dense.bias.numpy()
    expected = (summed - summed.mean(-1, keepdims=True)) / summed.std(-1, keepdims=True)
    actual = block(tf.constant(x), tf.ones((1, 6), tf.int32))
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_search_space_proposes_it(gated_unit):
    space = SearchSpace(3, "AFG", model_config("AFA"), sequence_length=6)
    strings = {str(space.random(np.random.default_rng(seed))) for seed in range(40)}
    assert any("G" in string for string in strings)
    cost = space.parameters(LayerString("GGG"))
    assert cost == model_config("GGG").num_parameters()


def test_supernet_extracts_it(gated_unit):
    supernet = Supernet(model_config("AFA"), "CAFG")
    extracted = supernet.extract("GAG")
    with selected_path(supernet.path_of("GAG")):
        shared = supernet(inputs())["sequence_output"]
    np.testing.assert_allclose(extracted(inputs())["sequence_output"], shared, atol=1e-6)


def test_saved_model_answers_like_it(gated_unit, tmp_path):
    backbone = LVBertBackbone.from_model_config(model_config("GA"))
    backbone.export(str(tmp_path / "export"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "export"))
    served = loaded.serve(inputs())
    expected = backbone(inputs())["sequence_output"]
    np.testing.assert_allclose(served["sequence_output"], expected, atol=1e-6)


def test_formats_of_others_refuse_it(gated_unit):
    encoder = LVBertBackbone.from_model_config(model_config("GA"))
    pretrainer = ElectraPretrainer(encoder, None)
    with pytest.raises(InputError) as caught:
        reference_weights(pretrainer, layer_list=True)
    expected = "has no layers of type G (gated unit), only of types"
    assert str(caught.value) == f"the reference's code {expected} C, A, F"
    with pytest.raises(InputError) as caught:
        huggingface_models(pretrainer, None, LV_BERT)
    assert str(caught.value) == f"our LV-BERT in PyTorch {expected} C, A, F"
    with pytest.raises(InputError) as caught:
        list(huggingface_names.encoder_weights(encoder, ELECTRA))
    assert str(caught.value) == f"Hugging Face's ELECTRA {expected} A, F"


def test_formats_of_others_hold_all_types_but_it():
    assert reference_names.LAYER_NAMES.keys() == LAYER_TYPES.keys()
    assert huggingface_names.LV_BERT_LAYER_NAMES.keys() == LAYER_TYPES.keys()
    assert SUBLAYERS.keys() == LAYER_TYPES.keys()


def test_letter_without_a_row_is_no_layer():
    with pytest.raises(InputError, match="'G' at position 0"):
        LayerString("GAF")


def test_row_without_a_layer_is_no_other_layer(gated_unit, monkeypatch):
    monkeypatch.delitem(SUBLAYERS, "G")
    with pytest.raises(KeyError, match="G"):
        LVBertBackbone.from_model_config(model_config("GA"))
