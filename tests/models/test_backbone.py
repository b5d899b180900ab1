"""The backbone as KerasHub's models are tested, and what each position depends on."""

import dataclasses
import inspect
import json

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.architecture.model_config import FIELDS, ModelConfig
from lvbert_tf.layers.dropout import dropout_seed
from lvbert_tf.layers.kernels import compile_as
from lvbert_tf.models import LVBertBackbone

ARGUMENTS = {
    "vocabulary_size": 50,
    "layer_string": "CAF",
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 32,
    "embedding_dim": 8,
    "max_sequence_length": 12,
}


@pytest.fixture(scope="module")
def backbone(randomize):
    return randomize(LVBertBackbone(**ARGUMENTS))


# --- As a KerasHub model


def test_outputs(backbone, tiny_inputs):
    outputs = backbone(tiny_inputs)
    assert set(outputs) == {"sequence_output", "pooled_output"}
    assert outputs["sequence_output"].shape == (4, 12, 16)
    np.testing.assert_array_equal(outputs["pooled_output"], outputs["sequence_output"][:, 0])


def test_config_round_trip():
    changed = {
        "dropout": 0.2,
        "num_segments": 3,
        "mask_convolution_padding": False,
        "attention_dropout": 0.3,
        "direction": "left_to_right",
        "initializer_range": 0.1,
    }
    backbone = LVBertBackbone(**ARGUMENTS, **changed, dtype="mixed_bfloat16", name="mine")
    config = backbone.get_config()
    assert {name: config[name] for name in (*ARGUMENTS, *changed)} == {**ARGUMENTS, **changed}
    assert all(getattr(backbone, name) == config[name] for name in (*ARGUMENTS, *changed))
    again = LVBertBackbone.from_config(config)
    assert again.get_config() == config
    assert again.count_params() == backbone.count_params()


def test_every_field_of_an_encoder_is_an_argument():
    arguments = inspect.signature(LVBertBackbone).parameters
    assert tuple(arguments) == (*FIELDS, "embeddings", "dtype", "kwargs")
    for field in dataclasses.fields(ModelConfig):
        # Those two follow another argument where they are not given.
        if field.name not in ("embedding_dim", "attention_dropout"):
            given = arguments[field.name].default
            assert (None if given is inspect.Parameter.empty else given) == (
                None if field.default is dataclasses.MISSING else field.default
            )


def test_layer_string_is_the_text_of_its_layers(backbone):
    assert backbone.layer_string == "CAF" and f"{backbone.layer_string}" == "CAF"
    assert backbone.layer_string.count("A") == 1
    assert json.loads(json.dumps(backbone.get_config())) == backbone.get_config()
    assert type(backbone.get_config()["layer_string"]) is str


def test_arguments_follow_each_other():
    backbone = LVBertBackbone(**{**ARGUMENTS, "embedding_dim": None}, dropout=0.3)
    assert backbone.embedding_dim == 16
    assert backbone.embeddings_projection is None
    assert backbone.attention_dropout == 0.3


def test_saved_whole(backbone, tiny_inputs, tmp_path):
    backbone.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again, LVBertBackbone)
    np.testing.assert_array_equal(
        again(tiny_inputs)["sequence_output"], backbone(tiny_inputs)["sequence_output"]
    )


@pytest.mark.parametrize("loader", [LVBertBackbone, keras_hub.models.Backbone])
def test_saved_as_a_preset(backbone, tiny_inputs, tmp_path, loader):
    backbone.save_to_preset(str(tmp_path))
    again = loader.from_preset(str(tmp_path))
    assert isinstance(again, LVBertBackbone)
    np.testing.assert_array_equal(
        again(tiny_inputs)["sequence_output"], backbone(tiny_inputs)["sequence_output"]
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16"])
def test_precision_policies(backbone, tiny_inputs, policy):
    low = LVBertBackbone(**ARGUMENTS, dtype=policy)
    low.set_weights(backbone.get_weights())
    output = low(tiny_inputs)["sequence_output"]
    assert keras.backend.standardize_dtype(output.dtype) == policy.removeprefix("mixed_")
    expected = backbone(tiny_inputs)["sequence_output"]
    assert np.abs(keras.ops.cast(output, "float32") - expected).max() < 0.1


def test_trains_with_fit(tiny_inputs):
    backbone = LVBertBackbone(**ARGUMENTS)
    logits = keras.layers.Dense(2)(backbone.output["pooled_output"])
    model = keras.Model(backbone.inputs, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=False)
    before = backbone.get_weights()
    history = model.fit(tiny_inputs, np.array([0, 1, 0, 1]), batch_size=2, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert all(np.any(old != new) for old, new in zip(before, backbone.get_weights(), strict=True))


def traced(backbone, training):
    spec = dict.fromkeys(backbone.input, tf.TensorSpec((None, None), tf.int32))
    function = tf.function(lambda inputs: backbone(inputs, training=training)["sequence_output"])
    return function.get_concrete_function(spec)


def test_inference_needs_no_compiler_and_takes_any_shape(backbone, tiny_inputs):
    graph = traced(backbone, training=False)
    assert "_XlaMustCompile" not in str(graph.graph.as_graph_def())
    with compile_as("stretches"):
        fused = traced(backbone, training=True)
    assert "_XlaMustCompile" in str(fused.graph.as_graph_def())
    for rows, length in ((4, 12), (1, 5)):
        inputs = {name: tf.constant(v[:rows, :length]) for name, v in tiny_inputs.items()}
        expected = backbone(inputs)["sequence_output"]
        np.testing.assert_allclose(graph(inputs), expected, rtol=1e-5, atol=1e-5)


def test_sequences_longer_than_the_position_table_are_refused(backbone):
    ids = np.ones((1, 13), np.int32)
    with pytest.raises(ValueError, match="length 13 exceeds max_sequence_length 12"):
        backbone({"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": ids})


# --- The modes of compilation


def test_every_mode_computes_the_same(backbone, tiny_inputs, always_compiled):
    """Values, gradients and dropout; the mode `whole` is the plain kernels in a compiled function."""

    def run(mode):
        @tf.function(autograph=False, jit_compile=mode == "whole")
        def step():
            with compile_as(mode), dropout_seed(tf.constant([1, 2])):
                with tf.GradientTape() as tape:
                    output = backbone(tiny_inputs, training=True)["sequence_output"]
                    loss = tf.reduce_sum(tf.sin(output))
                gradients = tape.gradient(loss, [v.value for v in backbone.trainable_variables])
                return output, *map(tf.convert_to_tensor, gradients)

        return step()

    expected = run("plain")
    for mode in ("stretches", "whole"):
        for value, other in zip(run(mode), expected, strict=True):
            scale = np.abs(other).max()
            np.testing.assert_allclose(value / scale, other / scale, atol=1e-5, err_msg=mode)


# --- As what its configuration says

SHAPES = st.fixed_dictionaries(
    {
        "layer_string": st.text("CAF", min_size=1, max_size=4).map(LayerString.parse),
        "num_heads": st.integers(1, 3),
        "head_dim": st.integers(1, 3),
        "intermediate_dim": st.integers(1, 9),
        "embedding_dim": st.integers(1, 9),
    }
)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(SHAPES)
def test_parameters_are_those_of_the_formula(shape):
    hidden_dim = shape["num_heads"] * shape.pop("head_dim")
    config = ModelConfig(5, hidden_dim=hidden_dim, max_sequence_length=7, num_segments=3, **shape)
    backbone = LVBertBackbone.from_model_config(config)
    assert backbone.count_params() == config.num_parameters()
    by_hand = config.layer_string.num_parameters(config.widths)
    assert sum(layer.count_params() for layer in backbone.encoder_layers) == by_hand


# --- What a position depends on


def sequence(backbone, inputs, length=None):
    inputs = {name: value[2:, :length] for name, value in inputs.items()}  # 9 and 7 real tokens
    return backbone(inputs)["sequence_output"].numpy()


def test_padding_does_not_matter(backbone, tiny_inputs):
    padded, short = sequence(backbone, tiny_inputs), sequence(backbone, tiny_inputs, 9)
    np.testing.assert_allclose(padded[:, :9], short, rtol=1e-5, atol=1e-5)
    real = tiny_inputs["padding_mask"][2:] == 1
    noisy = {**tiny_inputs, "token_ids": np.where(tiny_inputs["padding_mask"] == 1,
                                                  tiny_inputs["token_ids"], 33)}  # fmt: skip
    np.testing.assert_allclose(sequence(backbone, noisy)[real], padded[real], atol=1e-5)


def test_padding_matters_with_the_convolution_of_the_reference(backbone, tiny_inputs):
    reference = LVBertBackbone(**ARGUMENTS, mask_convolution_padding=False)
    reference.set_weights(backbone.get_weights())
    padded, short = sequence(reference, tiny_inputs), sequence(reference, tiny_inputs, 9)
    real = tiny_inputs["padding_mask"][2:, :9] == 1
    assert np.abs(padded[:, :9] - short)[real].max() > 1e-2


@pytest.mark.parametrize("direction", ["both", "left_to_right", "right_to_left"])
def test_only_the_visible_side_matters(randomize, tiny_inputs, direction):
    backbone = randomize(LVBertBackbone(**ARGUMENTS, direction=direction))
    inputs = {name: value[:1] for name, value in tiny_inputs.items()}
    ids = inputs["token_ids"].copy()
    ids[0, 6] += 1
    changed = np.abs(
        backbone(inputs)["sequence_output"]
        - backbone({**inputs, "token_ids": ids})["sequence_output"]
    )[0].max(-1)
    hidden = {"both": [], "left_to_right": range(6), "right_to_left": range(7, 12)}[direction]
    np.testing.assert_allclose(changed[list(hidden)], 0.0, atol=1e-5)
    assert np.delete(changed, list(hidden)).min() > 1e-3
