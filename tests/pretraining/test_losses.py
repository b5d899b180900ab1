"""The discriminator's cross-entropy."""

import numpy as np
import tensorflow as tf

from lvbert_tf.pretraining.losses import replaced_token_cross_entropy


def test_replaced_token_cross_entropy():
    logits = np.array([-3.0, 0.0, 2.0], np.float32)
    is_fake = np.array([0, 1, 1])
    probability = 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))
    expected = -np.log(np.where(is_fake, probability, 1.0 - probability))
    losses = replaced_token_cross_entropy(tf.constant(logits), tf.constant(is_fake))
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    # Where 1 - probability is 0 in floating point.
    assert replaced_token_cross_entropy(tf.constant([80.0]), tf.constant([0])) == [80.0]
