"""Cross-entropies of pre-training, per token."""

import tensorflow as tf


@tf.function(jit_compile=True, autograph=False)
def _cross_entropy(logits, labels):
    wide = tf.cast(logits, tf.float32)
    top = tf.reduce_max(wide, -1)
    log_mass = top + tf.math.log(tf.reduce_sum(tf.exp(wide - top[..., None]), -1))
    label_logits = tf.cast(tf.gather(logits, labels, batch_dims=labels.shape.rank), tf.float32)
    return log_mass - label_logits, log_mass


@tf.function(jit_compile=True, autograph=False)
def _cross_entropy_gradient(logits, labels, log_mass, upstream):
    probabilities = tf.exp(tf.cast(logits, tf.float32) - log_mass[..., None])
    is_label = tf.range(logits.shape[-1]) == labels[..., None]
    gradient = probabilities - tf.cast(is_label, tf.float32)
    return tf.cast(gradient * upstream[..., None], logits.dtype)


def token_cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """-log softmax(logits)[label], computed in float32 in one pass each way.

    Args:
        logits: shape (..., vocabulary_size), any floating type.
        labels: int32, shape (...).

    Returns:
        float32, shape (...).
    """

    @tf.custom_gradient
    def apply(logits):
        losses, log_mass = _cross_entropy(logits, labels)
        return losses, lambda upstream: _cross_entropy_gradient(logits, labels, log_mass, upstream)

    return apply(logits)


def replaced_token_cross_entropy(logits: tf.Tensor, is_fake: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy of the discriminator, float32, shape of `logits` (ELECTRA, eq. 3)."""
    return tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(is_fake, tf.float32), logits)
