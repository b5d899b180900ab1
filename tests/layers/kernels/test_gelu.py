"""The fused GELU in all precisions against its formula in float64."""

import math

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers.kernels import bias_gelu

BIAS = 0.25


def phi(z):
    return 0.5 * np.array([math.erfc(-value * math.sqrt(0.5)) for value in z])


def slope(z):
    return phi(z) + z * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


@pytest.fixture(scope="module")
def z():
    """Values that are exact with and without the bias, in bfloat16 too."""
    return np.concatenate([np.arange(-6, 6.125, 0.125), [-16.0, 16.0]])


@pytest.mark.parametrize(
    ("dtype", "rounding", "off"),
    [(tf.float32, 1e-6, 1e-6), (tf.float16, 2**-11, 1e-4), (tf.bfloat16, 2**-8, 1e-4)],
)
def test_value_and_gradients(z, dtype, rounding, off, value_and_gradients):
    x = tf.cast(np.stack([z, -z], 1) - BIAS, dtype)
    upstream = np.full(x.shape, 1.0)
    values, (of_x, of_bias) = value_and_gradients(
        bias_gelu,
        [x, tf.fill([2], tf.constant(BIAS, dtype))],
        upstream,
    )
    expected = np.stack([z * phi(z), -z * phi(-z)], 1)
    np.testing.assert_allclose(tf.cast(values, tf.float32), expected, rtol=rounding, atol=2e-5)
    expected = np.stack([slope(z), slope(-z)], 1)
    np.testing.assert_allclose(tf.cast(of_x, tf.float32), expected, rtol=rounding, atol=off)
    total = tf.cast(of_x, tf.float32).numpy().sum(0)
    np.testing.assert_allclose(tf.cast(of_bias, tf.float32), total, rtol=rounding)
