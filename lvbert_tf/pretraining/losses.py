"""Cross-entropies of pre-training, per token."""

import tensorflow as tf

from lvbert_tf.layers.compiled import compiled


@compiled
def _cross_entropy(logits, labels):
    wide = tf.cast(logits, tf.float32)
    is_label = tf.range(logits.shape[-1]) == labels[..., None]
    return tf.reduce_logsumexp(wide, -1) - tf.reduce_sum(tf.where(is_label, wide, 0.0), -1)


def token_cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """-log softmax(logits)[label], computed in float32.

    Args:
        logits: shape (..., vocabulary_size), any floating type.
        labels: int32, shape (...).

    Returns:
        float32, shape (...).
    """
    return _cross_entropy(logits, labels, training=True)


def replaced_token_cross_entropy(logits: tf.Tensor, is_fake: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy of the discriminator, float32, shape of `logits` (ELECTRA, eq. 3)."""
    return tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(is_fake, tf.float32), logits)
