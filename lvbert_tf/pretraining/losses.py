"""The discriminator's cross-entropy, per token."""

import tensorflow as tf


def replaced_token_cross_entropy(logits: tf.Tensor, is_fake: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy of the discriminator, float32, shape of `logits` (ELECTRA, eq. 3)."""
    return tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(is_fake, tf.float32), logits)
