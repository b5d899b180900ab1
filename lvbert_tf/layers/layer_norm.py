"""Layer normalisation."""

import keras
import tensorflow as tf

from lvbert_tf.layers.compiled import compiled
from lvbert_tf.layers.rows import add_row, multiply_row, sum_in_rows


def normalize(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """`gamma (x - mean) / sqrt(variance + epsilon) + beta` over the last axis (Ba et al., 2016).

    Args:
        x: float32, shape (..., width).
        gamma, beta: shape (width,).
        epsilon: added to the variance.
    """

    @tf.custom_gradient
    def standardize(x):
        width = x.shape[-1]
        centered = x - sum_in_rows(x) / width
        scale = tf.math.rsqrt(sum_in_rows(tf.square(centered)) / width + epsilon)
        normal = centered * scale

        def gradient(upstream):
            mean = sum_in_rows(upstream) / width
            slope = sum_in_rows(upstream * normal) / width
            return scale * (upstream - mean - normal * slope)

        return normal, gradient

    return add_row(multiply_row(standardize(x), gamma), beta)


@compiled
def _layer_norm(x, gamma, beta, *, epsilon):
    return tf.cast(normalize(tf.cast(x, tf.float32), gamma, beta, epsilon), x.dtype)


@keras.saving.register_keras_serializable(package="lvbert_tf")
class LayerNorm(keras.layers.Layer):
    """Layer normalisation whose statistics are float32 whatever the precision policy.

    Args:
        epsilon: added to the variance; the reference's 1e-12.

    Call arguments:
        x: shape (..., width).
    """

    def __init__(self, epsilon: float = 1e-12, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, x_shape):
        width = (x_shape[-1],)
        self.gamma = self.add_weight(shape=width, initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(shape=width, initializer="zeros", name="beta", autocast=False)

    def call(self, x, training=None):
        x = tf.cast(x, self.compute_dtype)
        return _layer_norm(x, self.gamma, self.beta, training=training, epsilon=self.epsilon)

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
