"""Corruption: replacing the masked tokens by samples from the generator."""

import tensorflow as tf

from lvbert_tf.layers.compiled import compiled
from lvbert_tf.pretraining.masking import place

_BLOCK = 256


@compiled
def _sample(logits, noise, *, temperature):
    """Inverse transform sampling in two levels: a block of the vocabulary, then a token in it.

    Only the blocks' masses are computed from all logits; nothing of the logits' size is stored.
    """
    batch, slots, size = logits.shape
    blocks = -(-size // _BLOCK)

    def draw(masses, target):
        """Index of the first of `masses` whose cumulative sum exceeds `target`, and the sum before.

        Rounding can put the target on the very end; the last one with any mass takes it.
        """
        count = masses.shape[-1]
        # As a product: XLA's cumulative sum is quadratic on CPUs.
        ends = tf.einsum("bnk,kj->bnj", masses, tf.linalg.band_part(tf.ones([count, count]), 0, -1))
        index = tf.reduce_sum(tf.cast(ends <= target[..., None], tf.int32), -1)
        last = count - 1 - tf.argmax(masses[..., ::-1] > 0, -1, tf.int32)
        index = tf.minimum(index, last)
        return index, tf.gather(ends - masses, index, batch_dims=2)

    top = tf.reduce_max(tf.cast(logits, tf.float32), -1, keepdims=True)

    def mass(values):
        return tf.exp((tf.cast(values, tf.float32) - top) / temperature)

    padding = [[0, 0], [0, 0], [0, blocks * _BLOCK - size]]
    padded = tf.reshape(tf.pad(mass(logits), padding), [batch, slots, blocks, _BLOCK])
    by_block = tf.reduce_sum(padded, -1)
    target = noise * tf.reduce_sum(by_block, -1)
    block, before = draw(by_block, target)
    tokens = block[..., None] * _BLOCK + tf.range(_BLOCK)
    inside = mass(tf.gather(logits, tf.minimum(tokens, size - 1), batch_dims=2))
    # At a block's edge rounding can put the target before the block: on a token without any mass.
    target = tf.maximum(target - before, 0.0)
    token, _ = draw(tf.where(tokens < size, inside, 0.0), target)
    return block * _BLOCK + token


def sample_tokens(
    logits: tf.Tensor,
    noise: tf.Tensor,
    temperature: float = 1.0,
    disallowed: tf.Tensor | None = None,
) -> tf.Tensor:
    """Draws one token a slot from softmax(logits / temperature); no gradient flows through it.

    The reference adds Gumbel noise to every logit; one uniform number a slot and the inverse of the
    distribution function give the same distribution for a thousandth of the random numbers.

    Args:
        logits: shape (batch, slots, vocabulary_size).
        noise: float32 uniform in [0, 1), shape (batch, slots).
        temperature: positive.
        disallowed: integers, shape (batch, slots): a token that must not be drawn, or None.

    Returns:
        int32, shape (batch, slots).
    """
    logits = tf.stop_gradient(logits)
    if disallowed is not None:
        off = tf.one_hot(disallowed, logits.shape[-1], -1000.0, 0.0, dtype=tf.float32)
        logits = tf.cast(logits, tf.float32) + off * temperature
    return _sample(logits, noise, training=True, temperature=temperature)


def sample_uniformly(
    noise: tf.Tensor, vocabulary_size: int, disallowed: tf.Tensor | None = None
) -> tf.Tensor:
    """Draws tokens uniformly over the vocabulary; arguments and result as `sample_tokens`."""
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
        only_changes_are_fake: a sample that equals the original counts as real (ELECTRA); False:
            every sampled position counts as fake (Electric).

    Returns:
        (corrupted token ids, is_fake as int32 0 or 1), both of shape (batch, length).
    """
    corrupted, is_fake = place(
        sampled, masked["mask_positions"], masked["mask_weights"], masked["token_ids"]
    )
    if only_changes_are_fake:
        is_fake &= corrupted != masked["token_ids"]
    return corrupted, tf.cast(is_fake, tf.int32)
