"""The dense layer with BERT's initialiser, and the exact GELU that follows most of them."""

import keras
import tensorflow as tf
from keras import ops

from lvbert_tf.layers import fused


def dense(units: int, initializer_range: float, dtype, name: str) -> keras.layers.Dense:
    """A dense layer whose kernel starts from a truncated normal of the given deviation."""
    kernel_initializer = keras.initializers.TruncatedNormal(stddev=initializer_range)
    return keras.layers.Dense(units, kernel_initializer=kernel_initializer, dtype=dtype, name=name)


def gelu(x: tf.Tensor, training: bool | None) -> tf.Tensor:
    """Exact GELU, `x * Phi(x)`, of a tensor of any shape (Hendrycks and Gimpel, 2016)."""
    return fused.gelu(x) if training else ops.gelu(x, approximate=False)
