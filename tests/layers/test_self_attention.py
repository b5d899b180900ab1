"""Self-attention against Keras's layer with the same weights."""

import keras
import numpy as np
import pytest

from lvbert_tf.layers import SelfAttention


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize(
    ("num_heads", "direction"),
    [(1, "both"), (2, "both"), (4, "left_to_right"), (2, "right_to_left")],
)
def test_equals_keras(x, padding_mask, randomize, num_heads, direction):
    hidden_dim, head_dim = 16, 16 // num_heads
    layer = SelfAttention(hidden_dim, num_heads, direction=direction)
    layer.build(x.shape)
    randomize(layer)
    kernels = np.split(np.asarray(layer.query_key_value.kernel), 3, axis=-1)
    biases = np.split(np.asarray(layer.query_key_value.bias), 3, axis=-1)
    theirs = keras.layers.MultiHeadAttention(num_heads, head_dim)
    theirs.build(x.shape, x.shape)
    weights = []
    for kernel, bias in zip(kernels, biases, strict=True):
        weights += [kernel.reshape(hidden_dim, num_heads, head_dim)]
        weights += [bias.reshape(num_heads, head_dim)]
    output = np.eye(hidden_dim).reshape(num_heads, head_dim, hidden_dim)
    theirs.set_weights([*weights, output, np.zeros(hidden_dim)])
    visible = np.broadcast_to(padding_mask[:, None, :], (2, 12, 12))
    visible = {"both": np.copy, "left_to_right": np.tril, "right_to_left": np.triu}[direction](
        visible
    )
    expected = theirs(x, x, attention_mask=visible.astype(bool))
    real = padding_mask == 1  # right to left, padding sees nothing, and what it gets is arbitrary
    np.testing.assert_allclose(layer(x, padding_mask)[real], expected[real], rtol=1e-5, atol=1e-5)


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="hidden_dim 16 is not divisible by num_heads 5"):
        SelfAttention(16, 5)
    with pytest.raises(ValueError, match="direction 'left' is not one of both"):
        SelfAttention(16, 2, direction="left")
