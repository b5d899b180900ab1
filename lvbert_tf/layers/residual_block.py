"""A post-LN residual block around one layer of the string."""

import keras

from lvbert_tf.layers.layer_norm import LayerNorm


class ResidualBlock(keras.layers.Layer):
    """`LayerNorm(x + dropout(sublayer(x, padding_mask)))`, the form of every layer of a string.

    Args:
        sublayer: a layer called as `sublayer(x, padding_mask, training=...)`.
        dropout: rate on the sublayer's output.

    Call arguments:
        x: shape (batch, length, hidden_dim).
        padding_mask: shape (batch, length), 1 at real tokens.
    """

    def __init__(self, sublayer: keras.layers.Layer, dropout: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        self.sublayer = sublayer
        self.dropout = dropout
        self.layer_norm = LayerNorm(dropout=dropout, dtype=self.dtype_policy, name="layer_norm")

    def build(self, x_shape, padding_mask_shape=None):
        self.sublayer.build(x_shape, padding_mask_shape)
        self.layer_norm.build(x_shape)

    def call(self, x, padding_mask, training=None):
        return self.layer_norm(
            self.sublayer(x, padding_mask, training=training), x, training=training
        )

    def compute_output_shape(self, x_shape, padding_mask_shape=None):
        return x_shape

    def get_config(self):
        return {
            **super().get_config(),
            "sublayer": keras.saving.serialize_keras_object(self.sublayer),
            "dropout": self.dropout,
        }

    @classmethod
    def from_config(cls, config):
        config["sublayer"] = keras.saving.deserialize_keras_object(config["sublayer"])
        return cls(**config)
