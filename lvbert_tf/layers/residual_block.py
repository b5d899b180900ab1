"""The post-LN residual block around one layer of the string."""

import keras
import tensorflow as tf
from keras import ops

from lvbert_tf.layers.compiled import compiled
from lvbert_tf.layers.dense import dense
from lvbert_tf.layers.dropout import Dropout, keep_mask, keep_scale
from lvbert_tf.layers.layer_norm import LayerNorm, normalize
from lvbert_tf.layers.rows import tie_row


@compiled
def _add_norm(x, bias, residual, gamma, beta, *, epsilon):
    x = _wide_sum(x, bias) + tf.cast(residual, tf.float32)
    return tf.cast(normalize(x, gamma, tf.stop_gradient(beta), epsilon), residual.dtype)


@compiled
def dropout_add_norm(x, bias, residual, seed, gamma, beta, *, rate, epsilon):
    keep = keep_mask(seed, ops.shape(x), rate)
    x = tf.where(keep, _wide_sum(x, bias) * keep_scale(rate), 0.0) + tf.cast(residual, tf.float32)
    return tf.cast(normalize(x, gamma, tf.stop_gradient(beta), epsilon), residual.dtype)


def _wide_sum(x, bias):
    return tf.cast(x, tf.float32) + tf.cast(tf.stop_gradient(bias), tf.float32)


@keras.saving.register_keras_serializable(package="lvbert_tf")
class ResidualBlock(keras.layers.Layer):
    """`LayerNorm(x + dropout(dense(sublayer(x, padding_mask))))`: every layer of a string.

    The three kinds of layers share this end, so it is here; a sublayer is what comes before.

    Args:
        sublayer: called as `sublayer(x, padding_mask, training=...)`; its `output_dim` is the width
            of what it returns.
        hidden_dim: width of input and output.
        dropout: rate after the dense layer.
        initializer_range: standard deviation of the truncated normal initialiser.

    Call arguments:
        x: shape (batch, length, hidden_dim).
        padding_mask: shape (batch, length), 1 at real tokens.
    """

    def __init__(
        self,
        sublayer: keras.layers.Layer,
        hidden_dim: int,
        dropout: float = 0.1,
        initializer_range: float = 0.02,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.sublayer = sublayer
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.initializer_range = initializer_range
        self.output_dense = dense(hidden_dim, initializer_range, self.dtype_policy, "output")
        self.dropout_layer = Dropout(dropout, dtype=self.dtype_policy, name="dropout")
        self.layer_norm = LayerNorm(dtype=self.dtype_policy, name="layer_norm")

    def build(self, x_shape, padding_mask_shape=None):
        if not self.sublayer.built:  # one that was read from a config is
            self.sublayer.build(x_shape, padding_mask_shape)
        self.output_dense.build((*x_shape[:-1], self.sublayer.output_dim))
        self.layer_norm.build(x_shape)

    def call(self, x, padding_mask, training=None):
        hidden = self.sublayer(x, padding_mask, training=training)
        product, bias = self.output_dense.product(hidden)
        product, bias = tie_row(product, tf.convert_to_tensor(bias))
        norm, beta = self.layer_norm, tf.convert_to_tensor(self.layer_norm.beta)
        arguments = {"training": training, "epsilon": norm.epsilon}
        if not training or self.dropout == 0:
            output = _add_norm(product, bias, x, norm.gamma, beta, **arguments)
        else:
            seed = self.dropout_layer.next_seed()
            output = dropout_add_norm(
                product, bias, x, seed, norm.gamma, beta, rate=self.dropout, **arguments
            )
        return tie_row(output, beta)[0]

    def compute_output_shape(self, x_shape, padding_mask_shape=None):
        return x_shape

    def get_config(self):
        return {
            **super().get_config(),
            "sublayer": keras.saving.serialize_keras_object(self.sublayer),
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout,
            "initializer_range": self.initializer_range,
        }

    @classmethod
    def from_config(cls, config):
        sublayer = keras.saving.deserialize_keras_object(config["sublayer"])
        return cls(**{**config, "sublayer": sublayer})
