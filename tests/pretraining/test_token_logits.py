"""Reading logits: cross-entropy against TensorFlow's, the likeliest token, and what is sampled.

Inverse transform sampling with evenly spaced numbers instead of random ones must yield every token as
often as its probability says, up to the ends of its interval.
"""

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.pretraining.token_logits import read_token_logits, token_cross_entropy

pytestmark = pytest.mark.usefixtures("always_compiled")

DRAWS = 8000
EVEN_NOISE = ((np.arange(DRAWS, dtype=np.float32) + 0.5) / DRAWS)[None]
EXTREME_NOISE = np.array([[0.0, 2.0**-24, 0.5, 1.0 - 2.0**-24]], np.float32)
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 5, (2, 3, 11)).astype(np.float32)
LABELS = RANDOM.integers(0, 11, (2, 3)).astype(np.int32)
UPSTREAM = RANDOM.normal(size=(2, 3)).astype(np.float32)


def sample(logits, noise, temperature=1.0, disallowed=None):
    labels = tf.zeros(noise.shape, tf.int32) if disallowed is None else disallowed
    reading = read_token_logits(
        tf.constant(logits), labels, tf.constant(noise), temperature, disallowed is not None
    )
    assert reading.sampled.dtype == tf.int32
    return reading.sampled.numpy()


def read_losses(logits, labels):
    return read_token_logits(logits, labels, tf.zeros(labels.shape)).losses


@pytest.mark.parametrize("function", [token_cross_entropy, read_losses])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(tf.float32, 1e-5), (tf.bfloat16, 1e-2), (tf.float16, 2e-3)]
)
def test_cross_entropy(value_and_gradients, function, dtype, tolerance):
    logits = tf.cast(LOGITS, dtype)
    losses, [gradient] = value_and_gradients(
        lambda x: function(x, tf.constant(LABELS)), [logits], UPSTREAM
    )
    expected, [expected_gradient] = value_and_gradients(
        lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, x),
        [tf.cast(logits, tf.float32)],
        UPSTREAM,
    )
    assert (losses.dtype, gradient.dtype) == (tf.float32, dtype)
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        tf.cast(gradient, tf.float32), expected_gradient, rtol=tolerance, atol=tolerance
    )


def test_cross_entropy_of_extreme_logits():
    logits = tf.constant([[[1e4, 0.0, -1e9]]])
    for label, expected in ((0, 0.0), (1, 1e4), (2, 1e9 + 1e4)):
        loss = token_cross_entropy(logits, tf.constant([[label]])).numpy()
        assert loss == pytest.approx(expected)


@pytest.mark.parametrize("size", [7, 256, 513])
def test_the_likeliest_token_is_the_first_of_the_largest(size):
    random = np.random.default_rng(size)
    logits = random.integers(-99, 100, (3, 50, size)).astype(np.float32)  # many are equal
    for dtype in (tf.float32, tf.bfloat16):
        reading = read_token_logits(
            tf.constant(logits, dtype), tf.zeros((3, 50), tf.int32), tf.zeros((3, 50))
        )
        np.testing.assert_array_equal(reading.likeliest, logits.argmax(-1))


def counts(logits, **arguments):
    """How often each token of one distribution is drawn."""
    logits = np.broadcast_to(np.float32(logits), (1, DRAWS, len(logits)))
    return np.bincount(sample(logits, EVEN_NOISE, **arguments)[0], minlength=logits.shape[-1])


def probabilities(logits):
    exponentials = np.exp(logits - np.max(logits))
    return exponentials / exponentials.sum()


@pytest.mark.parametrize("size", [7, 256, 513])
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
        sampled = sample(np.broadcast_to(logits, (1, 4, size)), EXTREME_NOISE)[0]
        assert possible[sampled].all()
        assert sampled[0] == np.flatnonzero(possible)[0]
        assert sampled[-1] == np.flatnonzero(possible)[-1]


def test_impossible_tokens_are_never_drawn_though_sums_are_rounded():
    logits = np.random.default_rng(0).normal(size=(1, 400, 300)).astype(np.float32)
    logits[..., 250:] = -1e9
    assert sample(logits, np.full((1, 400), 1.0 - 2.0**-24, np.float32)).max() < 250


def test_impossible_tokens_are_never_drawn_at_the_edge_of_a_block():
    # All mass but the blocks' first tokens', and numbers that fall on the blocks' ends but for rounding.
    random = np.random.default_rng(1)
    logits = np.where(np.arange(2048) % 256 == 0, -1e9, random.normal(0, 2, 2048))
    ends = np.cumsum(probabilities(logits))[255::256]
    steps = np.arange(-32, 33) * 2.0**-25
    noise = np.clip(ends[:, None] + steps, 0, 1 - 2.0**-24).astype(np.float32).reshape(1, -1)
    wide = np.broadcast_to(logits.astype(np.float32), (*noise.shape, 2048))
    assert np.all(sample(wide, noise) % 256 != 0)


def test_low_precision_logits_are_sampled_too():
    logits = tf.constant([[[0.0, 30.0, 1.0]]], tf.bfloat16)
    assert sample(logits, np.float32([[0.5]])) == 1


def test_compiles_to_the_same():
    logits = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 300)), tf.float32)
    noise = tf.constant([[0.1, 0.9, 0.4], [0.5, 0.0, 0.7]])

    def function(logits, noise):
        return read_token_logits(logits, tf.constant(LABELS), noise, disallow_correct=True)

    ours = tf.function(function, jit_compile=True)(logits, noise)
    expected = function(logits, noise)
    np.testing.assert_allclose(ours.losses, expected.losses, rtol=1e-6)
    np.testing.assert_array_equal(ours.likeliest, expected.likeliest)
    np.testing.assert_array_equal(ours.sampled, expected.sampled)
