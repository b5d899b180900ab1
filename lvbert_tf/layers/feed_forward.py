"""The feed-forward layer, `F`."""

import keras
from keras import ops

from lvbert_tf.layers.dense import dense
from lvbert_tf.layers.kernels import bias_gelu


@keras.saving.register_keras_serializable(package="lvbert_tf")
class FeedForward(keras.layers.Layer):
    """`gelu(x W + b)` at every position (Vaswani et al., 2017, section 3.3, with BERT's GELU).

    The second dense layer is that of the residual block.

    Args:
        hidden_dim: width of the input.
        intermediate_dim: width of the output, 4 x hidden_dim as a rule.
        initializer_range: standard deviation of the truncated normal initialiser.

    Call arguments:
        x: shape (batch, length, hidden_dim).
        padding_mask: not used; every layer of a string has the same signature.

    Returns:
        shape (batch, length, intermediate_dim).
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

    @property
    def output_dim(self) -> int:
        return self.intermediate_dim

    def build(self, x_shape, padding_mask_shape=None):
        self.intermediate.build(x_shape)

    def call(self, x, padding_mask=None):
        hidden = bias_gelu(*self.before_gelu(x))
        return ops.reshape(hidden, (*ops.shape(x)[:-1], self.intermediate_dim))

    def before_gelu(self, x):
        """Returns `x W` and `b`; the product has shape (batch x length, intermediate_dim)."""
        return self.intermediate.product(ops.reshape(x, (-1, self.hidden_dim)))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "initializer_range": self.initializer_range,
        }
