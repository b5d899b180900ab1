"""The self-attention layer, `A`."""

import math

import keras
from keras import ops

from lvbert_tf.architecture.layer_types import DIRECTIONS
from lvbert_tf.layers.dense import MergedDense
from lvbert_tf.layers.dropout import Dropout
from lvbert_tf.layers.kernels import attend


@keras.saving.register_keras_serializable(package="lvbert_tf")
class SelfAttention(keras.layers.Layer):
    """Multi-head scaled dot-product self-attention (Vaswani et al., 2017, section 3.2).

    `softmax(Q K' / sqrt(head_dim)) V` in each head, with dropout on the probabilities. One dense layer
    of three times the width, `query_key_value`, computes Q, K and V; the layers `query`, `key` and
    `value` only hold their adapters (LoRA). The dense layer after the heads is not here but in
    `ResidualBlock`. The scores of padding get -10000 added, as in BERT.

    Args:
        hidden_dim: width of input and output.
        num_heads: number of heads; `hidden_dim` is a multiple of it.
        dropout: dropout rate of the attention probabilities.
        direction: which positions a position attends to, besides itself: "both" sides,
            "left_to_right" only those before it, "right_to_left" only those after it. Electric's
            generator has a tower of each of the latter two.
        initializer_range: standard deviation of the truncated normal initialiser.

    Call arguments:
        x: shape (batch, length, hidden_dim).
        padding_mask: shape (batch, length), 1 at real tokens.
    """

    def __init__(
        self,
        hidden_dim: int,
        num_heads: int,
        dropout: float = 0.1,
        direction: str = "both",
        initializer_range: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if hidden_dim % num_heads:
            raise ValueError(f"hidden_dim {hidden_dim} is not divisible by num_heads {num_heads}")
        if direction not in DIRECTIONS:
            raise ValueError(f"direction {direction!r} is not one of {', '.join(DIRECTIONS)}")
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.direction = direction
        self.initializer_range = initializer_range
        parts = ("query", "key", "value")
        self.query_key_value = MergedDense(
            parts, hidden_dim, initializer_range, dtype=self.dtype_policy, name="query_key_value"
        )
        self.query, self.key, self.value = map(self.query_key_value.make_part, parts)
        self.dropout_layer = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    @property
    def output_dim(self) -> int:
        return self.hidden_dim

    def build(self, x_shape, padding_mask_shape=None):
        for layer in (self.query_key_value, self.query, self.key, self.value):
            layer.build(x_shape)

    def call(self, x, padding_mask, training=None):
        # Q, K and V of x, each of shape (batch, heads, length, head_dim)
        query, key, value = self.query_key_value.heads(x, self.num_heads)
        # softmax(Q K' / sqrt(head_dim)) V, of the same shape
        context = attend(
            query,
            key,
            value,
            self._visible(padding_mask),
            scale=1.0 / math.sqrt(self.hidden_dim // self.num_heads),
            draw=self.dropout_layer.draw(training),
        )
        return ops.reshape(ops.transpose(context, (0, 2, 1, 3)), ops.shape(x))

    def _visible(self, padding_mask):
        """1 where a query may attend to a key, else 0: shape (batch, 1, 1 or length, length)."""
        visible = ops.expand_dims(ops.cast(padding_mask, "int32"), (1, 2))
        if self.direction == "both":
            return visible
        length = ops.shape(padding_mask)[1]
        causal = ops.tril(ops.ones((length, length), "int32"))
        return visible * (causal if self.direction == "left_to_right" else ops.transpose(causal))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "direction": self.direction,
            "initializer_range": self.initializer_range,
        }
