"""The post-LN residual block around one layer of the string."""

import keras
from keras import ops

from lvbert_tf.layers.dense import dense
from lvbert_tf.layers.dropout import Dropout
from lvbert_tf.layers.feed_forward import FeedForward
from lvbert_tf.layers.kernels import add_norm
from lvbert_tf.layers.layer_norm import LayerNorm


@keras.saving.register_keras_serializable(package="lvbert_tf")
class ResidualBlock(keras.layers.Layer):
    """`LayerNorm(x + dropout(dense(sublayer(x, padding_mask))))`: every layer of a string.

    It is the post-LN block of Vaswani et al. (2017, section 5.4) and BERT. All layer types end in the
    same dense layer, so that is the block's; a sublayer is what comes before.

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
        product, bias = self._product(x, padding_mask, training)
        norm, draw = self.layer_norm, self.dropout_layer.draw(training)
        return add_norm(product, bias, x, norm.gamma, norm.beta, epsilon=norm.epsilon, draw=draw)

    def _product(self, x, padding_mask, training):
        """`sublayer(x) W` of the dense layer, shape (batch, length, hidden_dim), and its bias."""
        if isinstance(self.sublayer, FeedForward):  # whose last operation goes into the product
            product, bias = self.output_dense.product_of_gelu(*self.sublayer.before_gelu(x))
            return ops.reshape(product, ops.shape(x)), bias
        hidden = self.sublayer(x, padding_mask, training=training)  # (batch, length, output_dim)
        return self.output_dense.product(hidden)

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
