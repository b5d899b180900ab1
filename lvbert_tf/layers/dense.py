"""Dense layers with BERT's initialiser, and the exact GELU that follows most of them."""

import math

import keras
import tensorflow as tf

from lvbert_tf.layers.compiled import compiled
from lvbert_tf.layers.rows import add_row


def dense(units: int, initializer_range: float, dtype, name: str) -> keras.layers.Dense:
    """A dense layer whose kernel starts from a truncated normal of the given deviation.

    Where its bias is added by the stretch that follows, call `keras.ops.matmul(x, layer.kernel)`.
    """
    kernel_initializer = keras.initializers.TruncatedNormal(stddev=initializer_range)
    return keras.layers.Dense(units, kernel_initializer=kernel_initializer, dtype=dtype, name=name)


@compiled
def bias_gelu(x, bias):
    """Exact GELU of x + bias: `z * Phi(z)` (Hendrycks and Gimpel, 2016).

    Args:
        x: shape (..., width).
        bias: shape (width,).
    """
    z = tf.cast(add_row(x, bias), tf.float32)
    return tf.cast(0.5 * z * (1.0 + tf.math.erf(z * math.sqrt(0.5))), x.dtype)
