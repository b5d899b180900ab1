"""The feed-forward layer, `F`."""

import keras

from lvbert_tf.layers.dense import dense, gelu


class FeedForward(keras.layers.Layer):
    """`dense(gelu(dense(x)))` with the exact GELU, applied to every position.

    Args:
        hidden_dim: width of input and output.
        intermediate_dim: width in between, 4 x hidden_dim as a rule.
        initializer_range: standard deviation of the truncated normal initialiser.

    Call arguments:
        x: shape (batch, length, hidden_dim).
        padding_mask: not used; every layer of a string has the same signature.
    """

    def __init__(
        self, hidden_dim: int, intermediate_dim: int, initializer_range: float = 0.02, **kwargs
    ):
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.initializer_range = initializer_range
        self.intermediate = dense(
            intermediate_dim, initializer_range, self.dtype_policy, "intermediate"
        )
        self.output_dense = dense(hidden_dim, initializer_range, self.dtype_policy, "output")

    def build(self, x_shape, padding_mask_shape=None):
        self.intermediate.build(x_shape)
        self.output_dense.build((*x_shape[:-1], self.intermediate_dim))

    def call(self, x, padding_mask=None, training=None):
        return self.output_dense(gelu(self.intermediate(x), training))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "initializer_range": self.initializer_range,
        }
