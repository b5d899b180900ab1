"""The cross-entropies against TensorFlow's own."""

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.pretraining.losses import replaced_token_cross_entropy, token_cross_entropy

pytestmark = pytest.mark.usefixtures("always_compiled")

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 5, (2, 3, 11)).astype(np.float32)
LABELS = RANDOM.integers(0, 11, (2, 3)).astype(np.int32)
UPSTREAM = RANDOM.normal(size=(2, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(tf.float32, 1e-5), (tf.bfloat16, 1e-2), (tf.float16, 2e-3)]
)
def test_token_cross_entropy(value_and_gradients, dtype, tolerance):
    logits = tf.cast(LOGITS, dtype)
    losses, [gradient] = value_and_gradients(
        lambda x: token_cross_entropy(x, tf.constant(LABELS)), [logits], UPSTREAM
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


def test_token_cross_entropy_of_extreme_logits():
    logits = tf.constant([[[1e4, 0.0, -1e9]]])
    for label, expected in ((0, 0.0), (1, 1e4), (2, 1e9 + 1e4)):
        loss = token_cross_entropy(logits, tf.constant([[label]])).numpy()
        assert loss == pytest.approx(expected)


def test_replaced_token_cross_entropy():
    logits = np.array([-3.0, 0.0, 2.0], np.float32)
    is_fake = np.array([0, 1, 1])
    probability = 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))
    expected = -np.log(np.where(is_fake, probability, 1.0 - probability))
    losses = replaced_token_cross_entropy(tf.constant(logits), tf.constant(is_fake))
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    # Where 1 - probability is 0 in floating point.
    assert replaced_token_cross_entropy(tf.constant([80.0]), tf.constant([0])) == [80.0]
