"""Dense layers with BERT's initialiser."""

import keras


def dense(units: int, initializer_range: float, dtype, name: str) -> keras.layers.Dense:
    """A dense layer whose kernel starts from a truncated normal of the given deviation.

    Where its bias is added by the stretch that follows, call `keras.ops.matmul(x, layer.kernel)`.
    """
    kernel_initializer = keras.initializers.TruncatedNormal(stddev=initializer_range)
    return keras.layers.Dense(units, kernel_initializer=kernel_initializer, dtype=dtype, name=name)
