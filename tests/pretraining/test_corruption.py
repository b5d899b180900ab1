"""Corruption: what is drawn from the generator, and what counts as replaced.

Inverse transform sampling with evenly spaced numbers instead of random ones must yield every token as
often as its probability says, up to the ends of its interval.
"""

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.pretraining.corruption import corrupt, sample_tokens, sample_uniformly

pytestmark = pytest.mark.usefixtures("always_compiled")

DRAWS = 8000
EVEN_NOISE = ((np.arange(DRAWS, dtype=np.float32) + 0.5) / DRAWS)[None]
EXTREME_NOISE = np.array([[0.0, 2.0**-24, 0.5, 1.0 - 2.0**-24]], np.float32)


def counts(logits, **arguments):
    """How often each token of one distribution is drawn."""
    logits = tf.broadcast_to(tf.constant(logits, tf.float32), (1, DRAWS, len(logits)))
    sampled = sample_tokens(logits, tf.constant(EVEN_NOISE), **arguments)
    assert sampled.dtype == tf.int32
    return np.bincount(sampled[0], minlength=logits.shape[-1])


def probabilities(logits):
    exponentials = np.exp(logits - np.max(logits))
    return exponentials / exponentials.sum()


@pytest.mark.parametrize("size", [7, 256, 600])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_tokens_are_drawn_with_their_probability(size, temperature):
    logits = np.random.default_rng(size).normal(0, 1.5, size)
    expected = DRAWS * probabilities(logits / temperature)
    assert np.abs(counts(logits, temperature=temperature) - expected).max() < 1.5


@pytest.mark.parametrize("original", [0, 5, 256, 299])
def test_the_original_is_never_drawn_if_disallowed(original):
    logits = np.random.default_rng(0).normal(0, 1.5, 300)
    logits[original] = 60.0  # as good as certain
    disallowed = tf.fill((1, DRAWS), original)
    drawn = counts(logits, temperature=0.7, disallowed=disallowed)
    others = probabilities(np.where(np.arange(300) == original, -np.inf, logits / 0.7))
    assert drawn[original] == 0
    assert np.abs(drawn - DRAWS * others).max() < 1.5


def test_impossible_tokens_are_never_drawn_not_even_at_the_ends():
    random = np.random.default_rng(0)
    for size in (3, 300, 1000):
        possible = random.random(size) < 0.02
        possible[size // 2] = True
        logits = np.where(possible, random.normal(size=size), -1e9).astype(np.float32)
        logits = tf.broadcast_to(logits, (1, 4, size))
        sampled = sample_tokens(logits, tf.constant(EXTREME_NOISE)).numpy()[0]
        assert possible[sampled].all()
        assert sampled[0] == np.flatnonzero(possible)[0]
        assert sampled[-1] == np.flatnonzero(possible)[-1]


def test_impossible_tokens_are_never_drawn_at_the_edge_of_a_block():
    # All mass but the blocks' first tokens', and numbers that fall on the blocks' ends but for rounding.
    random = np.random.default_rng(1)
    logits = np.where(np.arange(2048) % 256 == 0, -1e9, random.normal(0, 2, 2048))
    ends = np.cumsum(probabilities(logits))[255::256]
    steps = np.arange(-32, 33) * 2.0**-25
    noise = np.clip(ends[:, None] + steps, 0, 1 - 2.0**-24).astype(np.float32).reshape(1, -1)
    wide = tf.broadcast_to(logits.astype(np.float32), (*noise.shape, 2048))
    assert np.all(sample_tokens(wide, tf.constant(noise)).numpy() % 256 != 0)


def test_low_precision_logits_are_sampled_too():
    logits = tf.constant([[[0.0, 30.0, 1.0]]], tf.bfloat16)
    assert sample_tokens(logits, tf.constant([[0.5]])) == 1


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
    "token_ids": tf.constant([[2, 10, 11, 12, 3], [2, 20, 21, 3, 0]]),
    "mask_positions": tf.constant([[2, 1, 0], [1, 0, 0]]),
    "mask_weights": tf.constant([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
}
SAMPLED = tf.constant([[40, 10, 41], [42, 43, 44]])


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
    logits = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 300)), tf.float32)
    noise = tf.constant([[0.1, 0.9, 0.4], [0.5, 0.0, 0.7]])

    def function(logits, noise):
        return corrupt(MASKED, sample_tokens(logits, noise, disallowed=SAMPLED))

    compiled = tf.function(function, jit_compile=True)
    for ours, expected in zip(compiled(logits, noise), function(logits, noise), strict=True):
        np.testing.assert_array_equal(ours, expected)
