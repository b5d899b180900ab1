"""Dropout masks. A hash of a seed and of a value's position decides whether the value is kept.

The hash is the same in every mode of compilation, so a step drops the same values on every device. It
is integer arithmetic: XLA merges it into the loop that uses the mask, and to compute it again in the
backward pass is cheaper than to store it. Random numbers of TensorFlow's Philox generator would have to
be stored; with them, dropout of a million values takes 6.5 times as long on a CPU (`python -m
benchmarks.alternatives`).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf
from keras import ops


class Draw(NamedTuple):
    """One draw of a dropout mask.

    Attributes:
        seed: uint32 of shape (2,), random bits that `Dropout.draw` makes anew for each call.
        rate: the share of values to drop.
    """

    seed: tf.Tensor
    rate: float


def keep_mask(seed: tf.Tensor, shape: Sequence, rate: float) -> tf.Tensor:
    """Draws which values are kept.

    Each value gets a 32-bit word from a Weyl sequence, mixed by two shifts and multiplications with the
    constants of Wellons' `lowbias32`. `seed[0]` is added before the mixing, `seed[1]` in the middle of
    it. A value is kept if its word is at least `rate * 2^32`.

    Args:
        seed: see `Draw`.
        shape: the shape of the result, integers or scalar tensors.
        rate: the share of values to drop.

    Returns:
        booleans, true where a value is kept.
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
    # `lowbias32` ends with one more shift. It changes only the low 16 bits, which decide one comparison
    # in 65,536, so it is left out.
    return tf.reshape(x >= word(round(rate * 2**32)), shape)


def keep_scale(rate: float) -> float:
    """The factor of the values that are kept, so that the expectation is unchanged."""
    return 1.0 / (1.0 - rate)


def dropped(x: tf.Tensor, seed: tf.Tensor, rate: float) -> tf.Tensor:
    """`x` with dropout (Srivastava et al., 2014): 0 at dropped values, the others scaled up."""
    keep = keep_mask(seed, ops.shape(x), rate)
    return tf.where(keep, x * keep_scale(rate), 0.0)
