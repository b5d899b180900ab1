"""Reading logits: cross-entropy against TensorFlow's, the likeliest token, and what is sampled.

Inverse transform sampling with evenly spaced numbers instead of random ones must yield every token as
often as its probability says, up to the ends of its interval.
"""

import re

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers.kernels.compilation import compile_as
from lvbert_tf.pretraining import token_logits
from lvbert_tf.pretraining.token_logits import TokenProjection, logits_of_tokens, predict_tokens

DRAWS = 8000
EVEN_NOISE = ((np.arange(DRAWS, dtype=np.float32) + 0.5) / DRAWS)[None]
EXTREME_NOISE = np.array([[0.0, 2.0**-24, 0.5, 1.0 - 2.0**-24]], np.float32)
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 5, (2, 3, 11)).astype(np.float32)
LABELS = RANDOM.integers(0, 11, (2, 3)).astype(np.int32)
UPSTREAM = RANDOM.normal(size=(2, 3)).astype(np.float32)


@pytest.fixture(params=["all_at_once", "in_parts"], autouse=True)
def form(request, always_compiled, monkeypatch):
    """On CPUs, and on GPUs and TPUs: there with at most 2,048 slots of a block of tokens at a time."""
    monkeypatch.setattr(token_logits, "_LOGITS_AT_ONCE", 1 << 19)
    with compile_as("stretches" if request.param == "all_at_once" else "whole"):
        yield


def projection_to(logits):
    """(vectors, projection) whose product are these logits, of shape (batch, slots, tokens).

    Logits of shape (tokens,) are those of a single slot.
    """
    if logits.ndim == 1:
        vectors, table = np.ones((1, 1, 1)), logits[:, None]
    else:
        slots = logits.shape[0] * logits.shape[1]
        vectors = np.eye(slots).reshape(*logits.shape[:2], slots)
        table = logits.reshape(slots, -1).T
    bias = tf.zeros(len(table))
    return tf.constant(vectors, tf.float32), TokenProjection(tf.constant(table, tf.float32), bias)


def sample(logits, noise, temperature=1.0, disallowed=None):
    labels = tf.zeros(noise.shape, tf.int32) if disallowed is None else disallowed
    vectors, projection = projection_to(logits)
    vectors = tf.broadcast_to(vectors, (*noise.shape, vectors.shape[-1]))
    noise = tf.constant(noise)
    reading = predict_tokens(
        vectors, projection, labels, noise, temperature, disallowed is not None
    )
    assert reading.sampled.dtype == tf.int32
    return reading.sampled.numpy()


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16, tf.float16])
@pytest.mark.parametrize("slots", [6, 20])
def test_losses_and_gradients(value_and_gradients, monkeypatch, dtype, slots):
    """Those of TensorFlow's cross-entropy on the logits of TensorFlow's matrix product."""
    monkeypatch.setattr(token_logits, "_LOGITS_AT_ONCE", 1)  # eight slots at a time
    random = np.random.default_rng(slots)
    vectors = tf.cast(random.normal(size=(2, slots // 2, 8)), dtype)
    table = tf.cast(tf.cast(random.normal(size=(300, 8)), dtype), tf.float32)
    bias = tf.cast(tf.cast(random.normal(size=300), dtype), tf.float32)
    labels = tf.constant(random.integers(0, 300, (2, slots // 2)), tf.int32)
    upstream = random.normal(size=labels.shape).astype(np.float32)

    def ours(vectors, table, bias):
        projection = TokenProjection(table, bias)
        return predict_tokens(vectors, projection, labels, tf.zeros(labels.shape)).losses

    def theirs(vectors, table, bias):
        logits = tf.einsum("bsw,tw->bst", vectors, table) + bias
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)

    losses, gradients = value_and_gradients(ours, [vectors, table, bias], upstream)
    wide = [tf.cast(vectors, tf.float32), table, bias]
    expected, expected_gradients = value_and_gradients(theirs, wide, upstream)
    tolerance = {tf.float32: 1e-5, tf.bfloat16: 4e-2, tf.float16: 5e-3}[dtype]
    np.testing.assert_allclose(losses, expected, rtol=tolerance, atol=tolerance)
    for found, wanted in zip(gradients, expected_gradients, strict=True):
        found = tf.cast(found, tf.float32)
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=2 * tolerance)


def test_the_number_of_slots_may_be_unknown():
    vectors, projection = projection_to(LOGITS)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, 6]), tf.TensorSpec([None, None], tf.int32)]
    )
    def losses(vectors, labels):
        return predict_tokens(vectors, projection, labels, tf.zeros(tf.shape(labels))).losses

    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, LOGITS)
    np.testing.assert_allclose(losses(vectors, LABELS), expected, rtol=1e-5, atol=1e-5)


def test_log_partition_and_logits_of_tokens_give_the_likelihood_of_any_token():
    vectors, projection = projection_to(LOGITS)
    reading = predict_tokens(vectors, projection, tf.constant(LABELS), tf.zeros(LABELS.shape))
    others = tf.constant((LABELS + 1) % 11)
    found = logits_of_tokens(vectors, projection, others) - reading.log_partition
    expected = -tf.nn.sparse_softmax_cross_entropy_with_logits(others, LOGITS)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_losses_of_extreme_logits():
    vectors, projection = projection_to(np.array([1e4, 0.0, -1e9], np.float32))
    for label, expected in ((0, 0.0), (1, 1e4), (2, 1e9 + 1e4)):
        reading = predict_tokens(vectors, projection, tf.constant([[label]]), tf.zeros((1, 1)))
        assert reading.losses.numpy() == pytest.approx(expected)


@pytest.mark.parametrize("size", [7, 256, 513])
def test_the_likeliest_token_is_the_first_of_the_largest(size):
    random = np.random.default_rng(size)
    logits = random.integers(-99, 100, (3, 50, size)).astype(np.float32)  # many are equal
    for dtype in (tf.float32, tf.bfloat16):
        vectors, projection = projection_to(logits)
        labels = tf.zeros((3, 50), tf.int32)
        reading = predict_tokens(tf.cast(vectors, dtype), projection, labels, tf.zeros((3, 50)))
        np.testing.assert_array_equal(reading.likeliest, logits.argmax(-1))


def counts(logits, **arguments):
    """How often each token of one distribution is drawn."""
    drawn = sample(np.float32(logits), EVEN_NOISE, **arguments)[0]
    return np.bincount(drawn, minlength=len(logits))


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
        sampled = sample(logits, EXTREME_NOISE)[0]
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
    assert np.all(sample(logits.astype(np.float32), noise) % 256 != 0)


def test_low_precision_logits_are_sampled_too():
    vectors, projection = projection_to(np.array([0.0, 30.0, 1.0], np.float32))
    vectors = tf.cast(vectors, tf.bfloat16)
    reading = predict_tokens(vectors, projection, tf.zeros((1, 1), tf.int32), tf.fill((1, 1), 0.5))
    assert reading.sampled.numpy() == 1


def test_compiles_to_the_same():
    vectors, projection = projection_to(RANDOM.normal(size=(2, 3, 300)).astype(np.float32))
    noise = tf.constant([[0.1, 0.9, 0.4], [0.5, 0.0, 0.7]])

    def function(vectors, noise):
        return predict_tokens(
            vectors, projection, tf.constant(LABELS), noise, disallow_correct=True
        )

    ours = tf.function(function, jit_compile=True)(vectors, noise)
    expected = function(vectors, noise)
    np.testing.assert_allclose(ours.losses, expected.losses, rtol=1e-6)
    np.testing.assert_array_equal(ours.likeliest, expected.likeliest)
    np.testing.assert_array_equal(ours.sampled, expected.sampled)


def test_all_forms_read_the_same():
    """The same noise draws the same token, whichever device computes it."""
    random = np.random.default_rng(5)
    vectors = tf.constant(random.normal(size=(1, 400, 8)), tf.float32)
    table = tf.constant(random.normal(size=(700, 8)), tf.float32)
    projection = TokenProjection(table, tf.zeros(700))
    labels = tf.constant(random.integers(0, 700, (1, 400)), tf.int32)
    noise = tf.constant(random.random((1, 400)), tf.float32)
    with compile_as("plain"):
        plain = predict_tokens(vectors, projection, labels, noise)
    reading = predict_tokens(vectors, projection, labels, noise)
    np.testing.assert_allclose(reading.losses, plain.losses, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(reading.likeliest, plain.likeliest)
    np.testing.assert_array_equal(reading.sampled, plain.sampled)


@pytest.mark.parametrize("mode", ["whole", "plain"])
def test_the_logits_of_all_slots_never_exist_at_once(monkeypatch, mode):
    """On GPUs and TPUs, which would have to pass them through their memory."""
    monkeypatch.setattr(token_logits, "_LOGITS_AT_ONCE", 64 * 768)
    vectors, labels = tf.zeros((2, 250, 8)), tf.zeros((2, 250), tf.int32)
    table, bias = tf.zeros((700, 8)), tf.zeros(700)

    @tf.function(jit_compile=True, autograph=False)
    def gradients(vectors, table):
        with compile_as(mode), tf.GradientTape() as tape:
            tape.watch([vectors, table])
            projection = TokenProjection(table, bias)
            losses = predict_tokens(vectors, projection, labels, tf.zeros(labels.shape)).losses
        return tape.gradient(losses, [vectors, table])

    text = gradients.experimental_get_compiler_ir(vectors, table)(stage="hlo")
    slots = {int(rows) for rows in re.findall(r"f32\[(\d+),768\]", text)}
    assert max(slots - {8}) == (64 if mode == "whole" else 500)
