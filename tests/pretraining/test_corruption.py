"""Corruption: uniform replacements, and what counts as replaced."""

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.pretraining.corruption import corrupt, sample_uniformly

DRAWS = 8000
EVEN_NOISE = ((np.arange(DRAWS, dtype=np.float32) + 0.5) / DRAWS)[None]
EXTREME_NOISE = np.array([[0.0, 2.0**-24, 0.5, 1.0 - 2.0**-24]], np.float32)


def test_uniform_sampling():
    noise = tf.constant(EVEN_NOISE)
    drawn = np.bincount(sample_uniformly(noise, 50)[0], minlength=50)
    np.testing.assert_array_equal(drawn, DRAWS // 50)
    for original in (0, 20, 50):
        drawn = sample_uniformly(noise, 51, tf.fill((1, DRAWS), original))[0]
        expected = np.where(np.arange(51) == original, 0, DRAWS // 50)
        np.testing.assert_array_equal(np.bincount(drawn, minlength=51), expected)
    extremes = sample_uniformly(tf.constant(EXTREME_NOISE), 30522)[0]
    assert (extremes[0], extremes[-1]) == (0, 30521)


MASKED = {
    "token_ids": np.array([[2, 10, 11, 12, 3], [2, 20, 21, 3, 0]], np.int32),
    "mask_positions": np.array([[2, 1, 0], [1, 0, 0]], np.int32),
    "mask_weights": np.array([[1, 1, 0], [1, 0, 0]], np.float32),
}
SAMPLED = np.array([[40, 10, 41], [42, 43, 44]], np.int32)


@pytest.mark.parametrize(
    ("only_changes_are_fake", "expected"),
    [
        (True, [[0, 0, 1, 0, 0], [0, 1, 0, 0, 0]]),  # a sample equal to the original is real
        (False, [[0, 1, 1, 0, 0], [0, 1, 0, 0, 0]]),
    ],
)
def test_corruption(only_changes_are_fake, expected):
    corrupted, is_fake = corrupt(MASKED, SAMPLED, only_changes_are_fake)
    np.testing.assert_array_equal(corrupted, [[2, 10, 40, 12, 3], [2, 42, 21, 3, 0]])
    np.testing.assert_array_equal(is_fake, expected)


def test_compiles_to_the_same():
    compiled = tf.function(corrupt, jit_compile=True)
    for ours, expected in zip(compiled(MASKED, SAMPLED), corrupt(MASKED, SAMPLED), strict=True):
        np.testing.assert_array_equal(ours, expected)
