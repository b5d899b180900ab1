"""Layer normalisation with a residual input, as every post-LN layer ends."""

import keras
from keras import ops

from lvbert_tf.layers import fused
from lvbert_tf.layers.dropout import Dropout, keep_scale


class LayerNorm(keras.layers.Layer):
    """`LayerNorm(residual + dropout(x))`; without a residual plainly `LayerNorm(x)`.

    Statistics are taken in float32 whatever the precision policy (Ba et al., 2016).

    Args:
        dropout: rate of the dropout on `x`, used in training when there is a residual.
        epsilon: added to the variance; the reference's 1e-12.

    Call arguments:
        x: shape (..., width).
        residual: None, or the shape of `x`.
    """

    def __init__(self, dropout: float = 0.0, epsilon: float = 1e-12, **kwargs):
        super().__init__(**kwargs)
        self.dropout = dropout
        self.epsilon = epsilon
        self.dropout_layer = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def build(self, x_shape, residual_shape=None):
        width = (x_shape[-1],)
        self.gamma = self.add_weight(shape=width, initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(shape=width, initializer="zeros", name="beta", autocast=False)

    def call(self, x, residual=None, training=None):
        if residual is not None and training and self.dropout > 0:
            keep = self.dropout_layer.keep_mask(ops.shape(x))
            scale = keep_scale(self.dropout)
            return fused.dropout_add_norm(
                x, residual, keep, scale, self.gamma, self.beta, self.epsilon
            )
        x = ops.cast(x, "float32")
        if residual is not None:
            x = x + ops.cast(residual, "float32")
        centered = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centered), axis=-1, keepdims=True)
        normal = centered * ops.rsqrt(variance + self.epsilon)
        return ops.cast(normal * self.gamma + self.beta, self.compute_dtype)

    def compute_output_shape(self, x_shape, residual_shape=None):
        return x_shape

    def get_config(self):
        return {**super().get_config(), "dropout": self.dropout, "epsilon": self.epsilon}
