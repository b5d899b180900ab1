"""Cross-entropy, likeliest token and a sample of logits over the vocabulary, in few passes over them.

The logits of a batch's masked slots are the largest tensor of a training step. The vocabulary is
divided into blocks. One pass over the logits finds the largest logit of each block, and a second pass
the probability mass of each block. All else is computed from these and from one block of each slot.
"""

from typing import NamedTuple

import tensorflow as tf

from lvbert_tf.layers.kernels.compilation import compiled_without_gradient
from lvbert_tf.layers.kernels.rows import max_in_rows, sum_in_rows

_BLOCK = 256


class TokenReading(NamedTuple):
    """What is read from the logits of each slot.

    Attributes:
        losses: -log softmax(logits)[label], float32. Only this tensor has a gradient.
        likeliest: the token with the largest logit, and the first of several equals, int32.
        sampled: a token drawn from softmax(logits / temperature), int32.
    """

    losses: tf.Tensor
    likeliest: tf.Tensor
    sampled: tf.Tensor


def read_token_logits(
    logits: tf.Tensor,
    labels: tf.Tensor,
    noise: tf.Tensor,
    temperature: float = 1.0,
    disallow_correct: bool = False,
) -> TokenReading:
    """Reads the logits of the masked slots.

    The reference samples by adding Gumbel noise to every logit. One uniform number for each slot and
    the inverse of the distribution function give samples of the same distribution with a fraction of
    the random numbers.

    Args:
        logits: shape (batch, slots, vocabulary_size), any floating type.
        labels: the right tokens, int32, shape (batch, slots).
        noise: float32, uniform in [0, 1), shape (batch, slots).
        temperature: temperature of the samples, above 0.
        disallow_correct: whether the label is never sampled.

    Returns:
        tensors of shape (batch, slots).
    """
    rows = tf.reshape(logits, [-1, logits.shape[-1]])
    row_labels = tf.reshape(labels, [-1])
    log_partition, likeliest, sampled = _read(
        tf.stop_gradient(rows),
        row_labels,
        tf.reshape(noise, [-1]),
        temperature=temperature,
        disallow_correct=disallow_correct,
    )
    losses = _loss(rows, row_labels, log_partition)
    return TokenReading(*(tf.reshape(x, tf.shape(labels)) for x in (losses, likeliest, sampled)))


def token_cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Computes -log softmax(logits)[label] in float32.

    Args:
        logits: shape (..., vocabulary_size), any floating type.
        labels: int32, shape (...).

    Returns:
        float32, shape (...).
    """
    rows, row_labels = tf.reshape(logits, [-1, logits.shape[-1]]), tf.reshape(labels, [-1])
    log_partition = _log_partition(tf.stop_gradient(rows))
    return tf.reshape(_loss(rows, row_labels, log_partition), tf.shape(labels))


@tf.custom_gradient
def _loss(logits, labels, log_partition):
    """The cross-entropy. Its gradient includes the part that goes through `log_partition`."""

    def gradient(upstream):
        of_logits = _loss_gradient(logits, labels, log_partition, upstream)
        return of_logits, None, None

    return log_partition - tf.cast(tf.gather(logits, labels, batch_dims=1), tf.float32), gradient


@compiled_without_gradient
def _loss_gradient(logits, labels, log_partition, upstream):
    probabilities = tf.exp(tf.cast(logits, tf.float32) - log_partition[:, tf.newaxis])
    is_label = tf.range(tf.shape(logits)[-1]) == labels[:, tf.newaxis]
    difference = tf.where(is_label, probabilities - 1.0, probabilities)
    return tf.cast(upstream[:, tf.newaxis] * difference, logits.dtype)


@compiled_without_gradient
def _log_partition(logits):
    top = tf.reduce_max(block_maxima(logits), -1)
    return top + tf.math.log(tf.reduce_sum(_block_masses(logits, top, 1.0), -1))


@compiled_without_gradient
def _read(logits, labels, noise, *, temperature, disallow_correct):
    """Log partition, likeliest and sampled token of each row of `logits` (rows, vocabulary_size)."""
    maxima = block_maxima(logits)
    top = tf.reduce_max(maxima, -1)
    masses = _block_masses(logits, top, 1.0)
    log_partition = top + tf.math.log(tf.reduce_sum(masses, -1))
    block = tf.argmax(maxima, -1, tf.int32)
    likeliest = block * _BLOCK + tf.argmax(_inside(logits, block), -1, tf.int32)
    if disallow_correct:
        off = tf.one_hot(labels, logits.shape[-1], -1000.0 * temperature, 0.0)
        logits = tf.cast(logits, tf.float32) + off
        top = tf.reduce_max(block_maxima(logits), -1)
    if disallow_correct or temperature != 1.0:
        masses = _block_masses(logits, top, temperature)
    return log_partition, likeliest, _sample(logits, top, masses, noise, temperature)


def _sample(logits, top, masses, noise, temperature):
    """Inverse transform sampling in two levels: a block of the vocabulary, then a token in it."""
    target = noise * tf.reduce_sum(masses, -1)
    block, before = _first_beyond(masses, target)
    inside = tf.exp((_inside(logits, block) - top[:, tf.newaxis]) / temperature)
    # At the edge of a block rounding can put the target before the block, on a token without any mass.
    token, _ = _first_beyond(inside, tf.maximum(target - before, 0.0))
    return block * _BLOCK + token


def _first_beyond(masses, target):
    """The index of the first of `masses` whose cumulative sum exceeds `target`, and the sum before it.

    Rounding can put the target at the very end. Then it is the last index with any mass.
    """
    count = masses.shape[-1]
    # A matrix product, because XLA's cumulative sum takes quadratic time on CPUs.
    ends = tf.matmul(masses, tf.linalg.band_part(tf.ones([count, count]), 0, -1))
    index = tf.reduce_sum(tf.cast(ends <= target[:, tf.newaxis], tf.int32), -1)
    index = tf.minimum(index, count - 1 - tf.argmax(masses[:, ::-1] > 0, -1, tf.int32))
    return index, tf.gather(ends - masses, index, batch_dims=1)


def blocks_of_logits(logits):
    """All whole blocks as a tensor (rows, blocks, _BLOCK), and the rest as one shorter block."""
    whole = logits.shape[-1] // _BLOCK * _BLOCK
    pieces = []
    if whole:
        pieces.append(tf.reshape(logits[:, :whole], [-1, whole // _BLOCK, _BLOCK]))
    if whole < logits.shape[-1]:
        pieces.append(logits[:, tf.newaxis, whole:])
    return [tf.cast(piece, tf.float32) for piece in pieces]


def block_maxima(logits):
    """The largest logit of each block: (rows, blocks)."""
    return tf.concat([max_in_rows(piece)[..., 0] for piece in blocks_of_logits(logits)], -1)


def _block_masses(logits, top, temperature):
    """Sums of exp((logits - top) / temperature) by block: (rows, blocks)."""
    top = top[:, tf.newaxis, tf.newaxis]
    masses = [
        sum_in_rows(tf.exp((piece - top) / temperature)) for piece in blocks_of_logits(logits)
    ]
    return tf.concat(masses, 1)[:, :, 0]


def _inside(logits, block):
    """The logits of one block of each row, float32 (rows, _BLOCK), -inf beyond the vocabulary."""
    tokens = block[:, tf.newaxis] * _BLOCK + tf.range(_BLOCK)
    size = logits.shape[-1]
    values = tf.gather(logits, tf.minimum(tokens, size - 1), batch_dims=1)
    return tf.where(tokens < size, tf.cast(values, tf.float32), -float("inf"))
