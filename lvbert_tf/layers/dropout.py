"""Dropout whose randomness is an argument: masks from a seed, four draws from one word.

The masks are stateless: inside `dropout_seed(seed)` the n-th dropout of a forward pass draws from
`(seed, n)`, so a training step is a function of its inputs and can be replayed bit for bit. Outside
such a context (`model.fit` in a notebook) each `Dropout` uses its own Keras seed generator.

One 32-bit random word gives four 8-bit draws, so the rate is rounded to a multiple of 1/256
(0.1 becomes 26/256 = 0.1016) and the kept values are scaled by the exact inverse.
"""

import contextlib
import itertools
import threading
from collections.abc import Iterator

import keras
import tensorflow as tf

_LEVELS = 256
_active = threading.local()  # replicas of one process are traced in their own threads


@contextlib.contextmanager
def dropout_seed(seed: tf.Tensor) -> Iterator[None]:
    """Makes every dropout inside the context a function of `seed` and of its place in the pass.

    Args:
        seed: integer tensor of shape (2,).
    """
    outer = getattr(_active, "stream", None)
    _active.stream = (tf.cast(seed, tf.int32), itertools.count())
    try:
        yield
    finally:
        _active.stream = outer


def _next_seed() -> tf.Tensor | None:
    stream = getattr(_active, "stream", None)
    if stream is None:
        return None
    seed, calls = stream
    return tf.random.experimental.stateless_fold_in(seed, next(calls), alg="philox")


def drop_threshold(rate: float) -> int:
    """The number of the 256 equally likely draws that drop a value; at least 1 if `rate` > 0."""
    return max(1, round(rate * _LEVELS)) if rate > 0 else 0


def keep_scale(rate: float) -> float:
    """What kept values are multiplied by, so that the expectation is unchanged."""
    return _LEVELS / (_LEVELS - drop_threshold(rate))


@keras.saving.register_keras_serializable(package="lvbert_tf")
class Dropout(keras.layers.Layer):
    """Draws dropout masks, and applies them.

    Args:
        rate: the share of values to drop, in [0, 1); rounded to a multiple of 1/256.
    """

    def __init__(self, rate: float, **kwargs):
        super().__init__(**kwargs)
        if not 0.0 <= rate < 1.0 - 1.0 / _LEVELS:
            raise ValueError(f"dropout rate {rate} is not in [0, 0.996)")
        self.rate = rate
        if rate > 0:
            self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    def keep_mask(self, shape) -> tf.Tensor:
        """A boolean tensor of the given shape (integers or an int32 tensor), true where kept."""
        seed = _next_seed()
        if seed is None:
            seed = tf.cast(self.seed_generator.next(), tf.int32)
        size = tf.reduce_prod(shape)
        static = tf.get_static_value(size)
        size = size if static is None else int(static)
        words = tf.random.stateless_uniform(  # philox: the same compiled and not
            [(size + 3) // 4], seed, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
        )
        draws = tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:size]
        return tf.reshape(draws >= drop_threshold(self.rate), shape)

    def call(self, inputs, training=None):
        if not training or self.rate == 0:
            return inputs
        keep = self.keep_mask(keras.ops.shape(inputs))
        scale = keras.ops.cast(keep_scale(self.rate), inputs.dtype)
        return inputs * (keras.ops.cast(keep, inputs.dtype) * scale)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}
