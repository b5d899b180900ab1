"""The self-attention layer, `A`."""

import math

import keras
import tensorflow as tf
from keras import ops

from lvbert_tf.layers.compiled import compiled
from lvbert_tf.layers.dropout import Dropout, keep_mask, keep_scale
from lvbert_tf.layers.merged_dense import MergedDense
from lvbert_tf.layers.rows import add_row, softmax

DIRECTIONS = ("both", "left_to_right", "right_to_left")


def _probabilities(scores, visible, scale):
    adder = (1.0 - tf.cast(visible, tf.float32)) * -10000.0
    return softmax(tf.cast(scores, tf.float32) * scale + adder)


@compiled
def _softmax(scores, visible, *, scale):
    return tf.cast(_probabilities(scores, visible, scale), scores.dtype)


@compiled
def softmax_dropout(scores, visible, seed, *, scale, rate):
    keep = keep_mask(seed, ops.shape(scores), rate)
    dropped = tf.where(keep, _probabilities(scores, visible, scale) * keep_scale(rate), 0.0)
    return tf.cast(dropped, scores.dtype)


@keras.saving.register_keras_serializable(package="lvbert_tf")
class SelfAttention(keras.layers.Layer):
    """Multi-head scaled dot-product self-attention (Vaswani et al., 2017, section 3.2).

    Query, key and value are one dense layer of three times the width; the dense layer after the
    heads is the residual block's. Padding is hidden by adding -10000 to its scores, as BERT does.

    Args:
        hidden_dim: width of input and output.
        num_heads: divides `hidden_dim`.
        dropout: rate on the attention probabilities.
        direction: "both", or the side that a position may look at, itself included
            ("left_to_right", "right_to_left": the two towers of Electric's generator).
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

    def _visible(self, padding_mask):
        """1 where a query may look at a key, 0 elsewhere; (batch, 1, 1 or length, length)."""
        visible = ops.expand_dims(ops.cast(padding_mask, "int32"), (1, 2))
        if self.direction == "both":
            return visible
        length = ops.shape(padding_mask)[1]
        causal = ops.tril(ops.ones((length, length), "int32"))
        return visible * (causal if self.direction == "left_to_right" else ops.transpose(causal))

    def _heads(self, x):
        """Query, key and value, each of shape (batch, heads, length, head_dim)."""
        batch, length, _ = ops.shape(x)
        # Rows of a matrix: TensorFlow merges the bias into the product.
        product, bias = self.query_key_value.product(ops.reshape(x, (-1, self.hidden_dim)))
        product = add_row(product, tf.convert_to_tensor(bias))
        shape = (batch, length, 3, self.num_heads, self.hidden_dim // self.num_heads)
        parts = tf.unstack(ops.reshape(product, shape), axis=2)
        return [ops.transpose(part, (0, 2, 1, 3)) for part in parts]

    def call(self, x, padding_mask, training=None):
        batch, length, _ = ops.shape(x)
        query, key, value = self._heads(x)
        scores = tf.matmul(query, key, transpose_b=True)
        visible, scale = self._visible(padding_mask), 1.0 / math.sqrt(query.shape[-1])
        if not training or self.dropout == 0:
            probabilities = _softmax(scores, visible, training=training, scale=scale)
        else:
            seed = self.dropout_layer.next_seed()
            probabilities = softmax_dropout(
                scores, visible, seed, training=training, scale=scale, rate=self.dropout
            )
        context = ops.transpose(ops.matmul(probabilities, value), (0, 2, 1, 3))
        return ops.reshape(context, (batch, length, self.hidden_dim))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "direction": self.direction,
            "initializer_range": self.initializer_range,
        }
