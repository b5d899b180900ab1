"""Dropout whose randomness is an argument: every mask is a function of a seed.

Inside `dropout_seed(seed)` the n-th dropout of a forward pass draws from `(seed, n)`, so a training
step is a function of its inputs and can be replayed bit for bit. Outside such a context (`model.fit`
in a notebook) each `Dropout` uses its own Keras seed generator.

A mask is a hash of the seed and of a value's place: integer arithmetic that XLA merges into the
loop which uses the mask. It is cheaper to compute it again in the backward pass than to store it.
"""

import contextlib
import itertools
import math
import threading
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

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


def keep_mask(seed: tf.Tensor, shape: Sequence, rate: float) -> tf.Tensor:
    """Draws which values are kept.

    The words come from a Weyl sequence mixed by two multiplications and shifts (the constants are
    those of Wellons' `lowbias32`), with half of the seed before and half in between.

    Args:
        seed: uint32 of shape (2,), itself random: what `Dropout.next_seed` returns.
        shape: of the result, integers or scalar tensors.
        rate: the share of values to drop.

    Returns:
        boolean, true where a value is kept.
    """

    def word(value: int) -> tf.Tensor:
        return tf.constant(value, tf.uint32)

    def count(size, step: int) -> tf.Tensor:
        return tf.cast(tf.range(size), tf.uint32) * word(step & 0xFFFFFFFF)

    def shifted(x, bits: int) -> tf.Tensor:
        return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, word(bits)))

    *leading, columns = shape
    rows = math.prod(leading)
    golden = 0x9E3779B9
    if isinstance(columns, int):
        row_starts = count(rows, golden * columns)
    else:
        row_starts = count(rows, golden) * tf.cast(columns, tf.uint32)
    # The seed comes before the columns, so that XLA cannot store the whole sequence as a constant.
    x = (row_starts + seed[0])[:, tf.newaxis] + count(columns, golden)
    x = shifted(x, 16) * word(0x7FEB352D)
    x = (shifted(x, 15) + seed[1]) * word(0x846CA68B)
    # The hash has one more shift, which changes the low half: a comparison sees it once in 65,536.
    return tf.reshape(x >= word(round(rate * 2**32)), shape)


def keep_scale(rate: float) -> float:
    """What kept values are multiplied by, so that the expectation is unchanged."""
    return 1.0 / (1.0 - rate)


@keras.saving.register_keras_serializable(package="lvbert_tf")
class Dropout(keras.layers.Layer):
    """Draws dropout masks, and applies them.

    Args:
        rate: the share of values to drop, in [0, 1).
    """

    def __init__(self, rate: float, **kwargs):
        super().__init__(**kwargs)
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"dropout rate {rate} is not in [0, 1)")
        self.rate = rate
        if rate > 0:
            self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    def next_seed(self) -> tf.Tensor:
        """The seed of the next mask, for `keep_mask`: uint32 of shape (2,)."""
        stream = getattr(_active, "stream", None)
        if stream is None:
            seed, place = tf.cast(self.seed_generator.next(), tf.int32), 0
        else:
            seed, place = stream[0], next(stream[1])
        seed = tf.random.experimental.stateless_fold_in(seed, place, alg="philox")
        # The second number of what `fold_in` returns is the place as it is, which mixes badly.
        return tf.random.stateless_uniform([2], seed, None, None, tf.uint32, alg="philox")

    def call(self, inputs, training=None):
        if not training or self.rate == 0:
            return inputs
        keep = keep_mask(self.next_seed(), keras.ops.shape(inputs), self.rate)
        scale = keras.ops.cast(keep_scale(self.rate), inputs.dtype)
        return inputs * (keras.ops.cast(keep, inputs.dtype) * scale)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}
