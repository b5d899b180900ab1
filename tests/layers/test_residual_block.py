"""Every kind of layer in its block: training and inference agree, gradients are those of the formula."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers import DynamicConvolution, FeedForward, ResidualBlock, SelfAttention
from lvbert_tf.layers.dropout import dropout_seed
from lvbert_tf.layers.kernels import compile_as, keep_mask, keep_scale

HIDDEN = 16


def sublayer(kind, dropout, dtype):
    if kind == "C":
        return DynamicConvolution(HIDDEN, 2, dtype=dtype)
    if kind == "A":
        return SelfAttention(HIDDEN, 2, dropout=dropout, dtype=dtype)
    return FeedForward(HIDDEN, 32, dtype=dtype)


def build(randomize, kind, dropout=0.0, dtype="float32"):
    block = ResidualBlock(sublayer(kind, dropout, dtype), HIDDEN, dropout=dropout, dtype=dtype)
    block.build((None, None, HIDDEN))
    return randomize(block)


def run(function, block, x, upstream):
    """(output, gradients with respect to x and every weight)."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = function(x)
    sources = [x, *(variable.value for variable in block.trainable_variables)]
    return output, tape.gradient(output, sources, tf.cast(upstream, output.dtype))


def assert_same(ours, expected, tolerance):
    (output, gradients), (expected_output, expected_gradients) = ours, expected
    np.testing.assert_allclose(
        tf.cast(output, tf.float32), expected_output, rtol=tolerance, atol=tolerance
    )
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        scale = np.abs(expected_gradient).max()
        np.testing.assert_allclose(
            tf.cast(gradient, tf.float32) / scale, expected_gradient / scale, atol=tolerance
        )


@pytest.mark.parametrize("kind", "CAF")
def test_training_without_dropout_is_inference(x, padding_mask, upstream, randomize, kind):
    block = build(randomize, kind)
    with compile_as("plain"):
        inference = run(lambda x: block(x, padding_mask), block, x, upstream)
    training = run(lambda x: block(x, padding_mask, training=True), block, x, upstream)
    assert_same(training, inference, 1e-5)
    # Float16 has more digits than bfloat16, which the same tolerance would not fit.
    half = build(randomize, kind, dtype="mixed_float16")
    training = run(lambda x: half(x, padding_mask, training=True), half, x, upstream)
    assert training[0].dtype == tf.float16
    assert_same(training, inference, 1e-2)


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("kind", "CAF")
def test_bfloat16_is_near(x, padding_mask, randomize, kind):
    block, wide = (build(randomize, kind, dtype=dtype) for dtype in ("mixed_bfloat16", "float32"))
    output = block(x, padding_mask, training=True)
    assert output.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(output, tf.float32), wide(x, padding_mask), atol=0.1)


def plain_attention(layer, x, padding_mask, keep, scale):
    """Attention with dropout on the probabilities, from plain operations."""
    projected = x @ layer.query_key_value.kernel + layer.query_key_value.bias
    query, key, value = (
        tf.reshape(part, (2, 12, 2, 8)) for part in tf.split(projected, 3, axis=-1)
    )
    scores = tf.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(8.0)
    scores += (padding_mask[:, None, None] - 1.0) * 1e4
    probabilities = tf.nn.softmax(scores) * tf.cast(keep, tf.float32) * scale
    return tf.reshape(tf.einsum("bhqk,bkhd->bqhd", probabilities, value), (2, 12, HIDDEN))


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("kind", "AF")
def test_dropout_is_where_the_formula_has_it(x, padding_mask, upstream, randomize, kind):
    block, seed, scale = build(randomize, kind, dropout=0.25), tf.constant([5, 6]), 4 / 3
    assert keep_scale(0.25) == pytest.approx(scale)

    def formula(x):
        layer = block.sublayer
        with dropout_seed(seed):  # the same draws in the same order
            if kind == "A":
                keep = keep_mask(layer.dropout_layer.draw(True).seed, (2, 2, 12, 12), 0.25)
                hidden = plain_attention(layer, x, padding_mask, keep, scale)
            else:
                hidden = x @ layer.intermediate.kernel + layer.intermediate.bias
                hidden = keras.ops.gelu(hidden, approximate=False)
            keep = keep_mask(block.dropout_layer.draw(True).seed, (2, 12, HIDDEN), 0.25)
        dense = hidden @ block.output_dense.kernel + block.output_dense.bias
        total = x + dense * tf.cast(keep, tf.float32) * scale
        mean, variance = tf.nn.moments(total, -1, keepdims=True)
        norm = block.layer_norm
        return (total - mean) / tf.sqrt(variance) * norm.gamma + norm.beta

    def ours(x):
        with dropout_seed(seed):
            return block(x, padding_mask, training=True)

    assert_same(run(ours, block, x, upstream), run(formula, block, x, upstream), 1e-5)


def test_config_round_trip(x, padding_mask, randomize):
    block = build(randomize, "C", dropout=0.3)
    again = ResidualBlock.from_config(block.get_config())
    again.build(x.shape)
    again.set_weights(block.get_weights())
    assert again.get_config() == block.get_config()
    np.testing.assert_array_equal(again(x, padding_mask), block(x, padding_mask))
