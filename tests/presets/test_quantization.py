"""Models quantised by Keras: what they compute, what is saved of them, and what is refused."""

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from tiny_presets import (
    KINDS,
    inputs_of,
    make_backbone,
    make_task,
    outputs_of,
)

from lvbert_tf.errors import InputError
from lvbert_tf.layers.dense import Dense
from lvbert_tf.models import (
    ElectraPretrainer,
    LVBertBackbone,
    LVBertSpanPredictor,
    LVBertTextClassifier,
    LVBertTextRegressor,
)

# Of the numbers of a tiny model with those of its float form, at least.
CORRELATIONS = {"int8": 0.999, "int4": 0.97, "float8": 0.99}


def numbers(task):
    """A task's logits; of spans those that are not masked."""
    if not isinstance(task, LVBertSpanPredictor):
        return outputs_of(task)["output"].ravel()
    logits = task.training_logits(inputs_of(task), tf.constant([4, 5]))
    values = np.concatenate([np.ravel(logits[name]) for name in sorted(logits)])
    return values[values > -500]


def quantized(model):
    return {layer.path for layer in model._flatten_layers() if layer.quantization_mode}


@pytest.mark.parametrize("kind", KINDS)
def test_a_quantised_task_answers_as_before(kind, randomize):
    task = make_task(kind, randomize)
    before = numbers(make_task(kind, randomize))
    task.quantize("int8")
    assert len(quantized(task)) == 7  # the projection, and two dense layers of each block
    after = numbers(task)
    assert np.any(after != before)
    np.testing.assert_allclose(after, before, atol=0.02 * np.ptp(before) + 0.02)
    if before.size > 2:
        assert np.corrcoef(before, after)[0, 1] > 0.999


@pytest.mark.parametrize("mode", CORRELATIONS)
@pytest.mark.parametrize("layers", "CAF")
def test_every_layer_type_is_quantised(mode, layers, randomize, tiny_inputs):
    backbone = randomize(LVBertBackbone(50, layers, 2, 32, 64, max_sequence_length=12))
    before = backbone(tiny_inputs)["sequence_output"].numpy()
    in_training = backbone(tiny_inputs, training=True)["sequence_output"].shape
    backbone.quantize(mode)
    after = backbone(tiny_inputs)["sequence_output"].numpy()
    assert np.any(after != before)
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > CORRELATIONS[mode]
    assert backbone(tiny_inputs, training=True)["sequence_output"].shape == in_training


def test_a_quantised_pretrainer_answers_as_before(tiny_config, randomize, tiny_inputs):
    pretrainer = randomize(ElectraPretrainer.from_networks(tiny_config().networks))
    positions = np.array([[1, 2]] * 4)

    def outputs():
        logits = pretrainer.masked_lm_logits(tiny_inputs, positions)
        return logits.numpy().ravel(), pretrainer(tiny_inputs).numpy().ravel()

    before = outputs()
    pretrainer.quantize("int8")
    for float_logits, logits in zip(before, outputs(), strict=True):
        assert 0.999 < np.corrcoef(float_logits, logits)[0, 1] < 1.0


def test_a_quantised_classifier_is_as_accurate():
    """On a task that it learns nearly, but not quite: which half of the vocabulary has more words."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    ids = random.integers(2, 50, (1200, 13)).astype("int32")
    labels = ((ids >= 26).sum(1) >= 7).astype("int32")
    inputs = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": np.ones_like(ids)}
    backbone = LVBertBackbone(50, "CAF", 2, 32, 64, dropout=0.0, max_sequence_length=13)
    classifier = LVBertTextClassifier(backbone, 2, dropout=0.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(3e-3), loss, jit_compile=False)
    classifier.fit(inputs, labels, batch_size=100, epochs=6, verbose=0)

    def accuracy():
        return np.mean(classifier.predict(inputs, batch_size=400, verbose=0).argmax(1) == labels)

    before = accuracy()
    assert before > 0.85
    classifier.quantize("int8")
    assert abs(accuracy() - before) <= 0.01


@pytest.mark.parametrize("mode", CORRELATIONS)
def test_a_quantised_task_comes_back(mode, randomize, tmp_path):
    task = make_task("classifier", randomize)
    task.quantize(mode)
    task.save_to_preset(str(tmp_path / "preset"))
    task.save(tmp_path / "task.keras")
    expected = numbers(task)
    for again in (
        keras_hub.models.TextClassifier.from_preset(str(tmp_path / "preset")),
        keras.models.load_model(tmp_path / "task.keras"),
    ):
        assert quantized(again) == quantized(task)
        np.testing.assert_allclose(numbers(again), expected, atol=1e-6)
    # Where KerasHub drops what the configuration says of it: of a backbone, and in another precision.
    inputs = inputs_of(task)
    vectors = task.backbone(inputs)["sequence_output"]
    for loader in (LVBertBackbone, keras_hub.models.Backbone):
        again = loader.from_preset(str(tmp_path / "preset"))
        assert quantized(again) == quantized(task)
        np.testing.assert_allclose(again(inputs)["sequence_output"], vectors, atol=1e-6)
    other = LVBertTextRegressor.from_preset(str(tmp_path / "preset"), dtype="mixed_bfloat16")
    assert quantized(other) == quantized(task)
    assert other.backbone(inputs)["sequence_output"].dtype == tf.bfloat16


def test_quantised_weights_and_others_are_not_mixed_up(randomize, tmp_path):
    task, other = (make_task("classifier", randomize) for _ in range(2))
    for kind, file in (("float", other), ("int8", task)):
        if kind == "int8":
            file.quantize("int8")
        file.save_weights(tmp_path / f"{kind}.weights.h5")
    other.load_weights(tmp_path / "int8.weights.h5")
    np.testing.assert_array_equal(numbers(other), numbers(task))
    with pytest.raises(InputError, match=r"float\.weights\.h5 .* is not quantised, not int8"):
        task.load_weights(tmp_path / "float.weights.h5")
    four = make_task("classifier", randomize)
    four.quantize("int4")
    with pytest.raises(InputError, match=r"int8\.weights\.h5 .* is int8, not int4/128"):
        four.load_weights(tmp_path / "int8.weights.h5")


def test_only_some_layers(randomize, tmp_path):
    backbone = make_backbone(randomize)
    backbone.quantize("int8", filters="intermediate")
    assert quantized(backbone) == {"layer_2/feed_forward/intermediate"}
    backbone.save_to_preset(str(tmp_path))
    assert quantized(LVBertBackbone.from_preset(str(tmp_path))) == quantized(backbone)


def gptq():
    return keras.quantizers.GPTQConfig(dataset=["a"], tokenizer=str.split)


def awq():
    return keras.quantizers.AWQConfig(dataset=["a"], tokenizer=str.split)


def weights_only():
    return keras.quantizers.Int8QuantizationConfig(activation_quantizer=None)


@pytest.mark.parametrize(
    "config, said",
    [
        (gptq, "quantization 'gptq' is not one of int8, int4, float8"),
        (awq, "quantization 'awq' is not one of int8, int4, float8"),
        (weights_only, "activation_quantizer None is lost when a model is saved"),
    ],
)
def test_what_is_refused_changes_nothing(config, said, randomize):
    task = make_task("classifier", randomize)
    before = numbers(task)
    with pytest.raises(InputError, match=said):
        task.quantize(config=config())
    assert not quantized(task)
    np.testing.assert_array_equal(numbers(task), before)


def test_an_unquantised_dense_layer_gives_its_product_and_its_bias():
    layer = Dense(3)
    layer.build((None, 2))
    product, bias = layer.product(tf.constant([[1.0, 2.0]]))
    np.testing.assert_array_equal(product, tf.constant([[1.0, 2.0]]) @ layer.kernel)
    assert bias is layer.bias
