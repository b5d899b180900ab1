"""Corruption: masked tokens are replaced by samples."""

import tensorflow as tf

from lvbert_tf.pretraining.masking import place


def sample_uniformly(
    noise: tf.Tensor, vocabulary_size: int, disallowed: tf.Tensor | None = None
) -> tf.Tensor:
    """Draws tokens uniformly over the vocabulary.

    Args:
        noise: float32 uniform in [0, 1), shape (batch, slots).
        vocabulary_size: number of tokens.
        disallowed: integers, shape (batch, slots): a token that must not be drawn, or None.

    Returns:
        int32, shape (batch, slots).
    """
    choices = vocabulary_size - (disallowed is not None)
    drawn = tf.minimum(tf.cast(noise * choices, tf.int32), choices - 1)
    if disallowed is None:
        return drawn
    return drawn + tf.cast(drawn >= disallowed, tf.int32)


def corrupt(
    masked: dict[str, tf.Tensor], sampled: tf.Tensor, only_changes_are_fake: bool = True
) -> tuple[tf.Tensor, tf.Tensor]:
    """Puts the sampled tokens into the original sequences.

    Args:
        masked: what `masking.mask_tokens` returns.
        sampled: int32, shape (batch, slots).
        only_changes_are_fake: whether a sample that equals the original counts as real (ELECTRA).
            Otherwise every sampled position counts as fake (Electric).

    Returns:
        (corrupted token ids, is_fake as int32 0 or 1), both of shape (batch, length).
    """
    corrupted, is_fake = place(
        sampled, masked["mask_positions"], masked["mask_weights"], masked["token_ids"]
    )
    if only_changes_are_fake:
        is_fake &= corrupted != masked["token_ids"]
    return corrupted, tf.cast(is_fake, tf.int32)
