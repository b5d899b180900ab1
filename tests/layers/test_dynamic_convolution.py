"""Dynamic convolution against the definition, one position after the other."""

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers import DynamicConvolution

HEADS, HIDDEN = 2, 16


def build(randomize, **arguments):
    layer = DynamicConvolution(HIDDEN, HEADS, **arguments)
    layer.build((None, None, HIDDEN))
    return randomize(layer)


def by_definition(layer, x, padding_mask, direction, mask_padding):
    """The layer's formula with a loop over positions, and no kernel multiplied with another."""
    projected = x @ layer.value_gate.kernel + layer.value_gate.bias
    value = projected[..., :HIDDEN] * tf.sigmoid(projected[..., HIDDEN:])
    if mask_padding:
        value *= padding_mask[..., None].astype(np.float32)
    left = {"both": 4, "left_to_right": 8, "right_to_left": 0}[direction]
    value = tf.pad(value, [[0, 0], [left, 8 - left], [0, 0]])
    outputs = []
    for position in range(x.shape[1]):
        window = value[:, position : position + 9]
        depthwise = tf.reduce_sum(window * layer.depthwise_kernel, 1)
        pointwise = depthwise @ layer.pointwise_kernel + layer.pointwise_bias
        logits = pointwise @ layer.taps_kernel + layer.taps_bias
        taps = tf.nn.softmax(tf.reshape(logits, (-1, HEADS, 9)))
        by_head = tf.reshape(window, (-1, 9, HEADS, HIDDEN // HEADS))
        average = tf.einsum("bhk,bkhd->bhd", taps, by_head)
        outputs.append(tf.reshape(average, (-1, HIDDEN)))
    return tf.stack(outputs, 1)


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("mask_padding", [True, False])
@pytest.mark.parametrize("direction", ["both", "left_to_right", "right_to_left"])
def test_equals_the_definition(x, padding_mask, upstream, randomize, direction, mask_padding):
    arguments = {"direction": direction, "mask_padding": mask_padding}
    layer = build(randomize, **arguments)
    variables, inputs = layer.trainable_variables, tf.constant(x)

    def value_and_gradients(function):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            result = function(inputs)
        sources = [inputs, *(variable.value for variable in variables)]
        return result, tape.gradient(result, sources, upstream)

    ours, gradients = value_and_gradients(lambda x: layer(x, padding_mask))
    expected, expected_gradients = value_and_gradients(
        lambda x: by_definition(layer, x, padding_mask, **arguments)
    )
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)
    assert len(gradients) == 8
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=2e-5)


def test_what_padding_holds_matters_only_when_it_is_not_masked(x, padding_mask, randomize):
    other = np.where(padding_mask[..., None] == 1, x, 7.0)
    real = padding_mask == 1
    masked = build(randomize)
    np.testing.assert_array_equal(masked(x, padding_mask)[real], masked(other, padding_mask)[real])
    unmasked = build(randomize, mask_padding=False)
    difference = np.abs(unmasked(x, padding_mask) - unmasked(other, padding_mask))[1]
    # A window reaches 4 positions into the padding, and the depthwise convolution has the same one.
    assert np.all(difference[:3] == 0)
    assert np.all(difference[3:7].max(-1) > 1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_heads": 3}, "hidden_dim 16 is not divisible by num_heads 3"),
        ({"num_heads": 2, "direction": "up"}, "direction 'up' is not one of both"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DynamicConvolution(HIDDEN, **arguments)


def test_an_empty_batch(randomize):
    layer = build(randomize)
    assert layer(tf.zeros([0, 3, HIDDEN]), tf.zeros([0, 3], tf.int32)).shape == (0, 3, HIDDEN)
