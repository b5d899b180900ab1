"""Cross-entropy, log partition, likeliest token and a sample of the generator's predictions.

The logits over the vocabulary are the largest single tensor of a training step. The modes `plain` and
`stretches` compute all of them at once, and `stretches` reads them as few times as possible. The modes
`whole` and `tpu` compute the logits of a few hundred slots at a time, which are small enough to stay
in the fast memory of a chip. The backward pass computes them again, which is cheap: the matrix product
has a short inner dimension.

The vocabulary is divided into blocks. One pass over the logits finds the largest logit of each block,
and a second pass the probability mass of each block. The likeliest token and the sample then need only
one block of each slot each. `disallow_correct` or a temperature repeat the passes for the sample.
"""

from typing import NamedTuple

import tensorflow as tf

from lvbert_tf.layers.kernels.compilation import Kernel, compiled_without_gradient
from lvbert_tf.layers.kernels.rows import (
    add_bias,
    cumulative_sum,
    max_in_rows,
    part_of_rows,
    sum_in_rows,
)

_BLOCK = 256
# About this many logits exist at a time in the modes `whole` and `tpu`: 16 MB in bfloat16.
_LOGITS_AT_ONCE = 1 << 23


class TokenProjection(NamedTuple):
    """What turns the vector of a slot into logits: `vector . table[token] + bias[token]`.

    Attributes:
        table: a vector for each token, shape (vocabulary_size, width), float32.
        bias: shape (vocabulary_size,), float32.
    """

    table: tf.Tensor
    bias: tf.Tensor


class TokenPrediction(NamedTuple):
    """What is predicted of each slot.

    Attributes:
        losses: -log softmax(logits)[label], float32. Only this tensor has a gradient.
        log_partition: log sum exp(logits), float32.
        likeliest: the token with the largest logit, and the first of several equals, int32.
        sampled: a token drawn from softmax(logits / temperature), int32.
    """

    losses: tf.Tensor
    log_partition: tf.Tensor
    likeliest: tf.Tensor
    sampled: tf.Tensor


def predict_tokens(
    vectors: tf.Tensor,
    projection: TokenProjection,
    labels: tf.Tensor,
    noise: tf.Tensor,
    temperature: float = 1.0,
    disallow_correct: bool = False,
) -> TokenPrediction:
    """Predicts the tokens of slots: what pre-training needs of their logits.

    The reference samples by adding Gumbel noise to every logit. One uniform number for each slot and
    the inverse of the distribution function give samples of the same distribution with a fraction of
    the random numbers.

    Args:
        vectors: shape (batch, slots, width), any floating type; the logits have the same type.
        projection: from vectors to logits.
        labels: the right tokens, int32, shape (batch, slots).
        noise: float32, uniform in [0, 1), shape (batch, slots).
        temperature: temperature of the samples, above 0.
        disallow_correct: whether the label is never sampled.

    Returns:
        tensors of shape (batch, slots).
    """
    predicted = predict_rows(
        tf.reshape(vectors, [-1, vectors.shape[-1]]),
        projection.table,
        projection.bias,
        tf.reshape(labels, [-1]),
        tf.reshape(noise, [-1]),
        temperature=temperature,
        disallow_correct=disallow_correct,
    )
    return TokenPrediction(*(tf.reshape(value, tf.shape(labels)) for value in predicted))


def logits_of_tokens(
    vectors: tf.Tensor, projection: TokenProjection, tokens: tf.Tensor
) -> tf.Tensor:
    """The logit of one token for each slot, without the logits of all others.

    It is rounded to the type of the vectors, as all logits are.

    Args:
        vectors: shape (..., width).
        projection: from vectors to logits.
        tokens: integers, shape (...).

    Returns:
        float32, shape (...).
    """
    rows = tf.cast(tf.gather(projection.table, tokens), vectors.dtype)
    bias = tf.cast(tf.gather(projection.bias, tokens), vectors.dtype)
    products = tf.cast(vectors, tf.float32) * tf.cast(rows, tf.float32)
    return tf.cast(tf.cast(tf.reduce_sum(products, -1), vectors.dtype) + bias, tf.float32)


@Kernel
def predict_rows(
    vectors: tf.Tensor,
    table: tf.Tensor,
    bias: tf.Tensor,
    labels: tf.Tensor,
    noise: tf.Tensor,
    *,
    temperature: float,
    disallow_correct: bool,
) -> TokenPrediction:
    """`predict_tokens` of slots along one axis: shapes (slots, width) and (slots,)."""
    logits = _logits(vectors, _in_whole_blocks(TokenProjection(table, bias), vectors.dtype))
    log_partition, likeliest, sampled = _predict(
        tf.stop_gradient(logits),
        labels,
        noise,
        temperature=temperature,
        disallow_correct=disallow_correct,
    )
    return TokenPrediction(_loss(logits, labels, log_partition), log_partition, likeliest, sampled)


@predict_rows.in_mode("whole", "tpu")
def _predict_rows_in_parts(vectors, table, bias, labels, noise, *, temperature, disallow_correct):
    @tf.custom_gradient
    def predict(vectors, table, bias):
        projection = _in_whole_blocks(TokenProjection(table, bias), vectors.dtype)
        size = _slots_at_once(vectors, projection)
        parts = [_in_parts(values, size) for values in (vectors, labels, noise)]

        def predict_part(part):
            some, some_labels, some_noise = part
            return _predict(
                _logits(some, projection),
                some_labels,
                some_noise,
                temperature=temperature,
                disallow_correct=disallow_correct,
            )

        found = tf.map_fn(predict_part, parts, fn_output_signature=(tf.float32, tf.int32, tf.int32))
        log_partition, likeliest, sampled = (_joined(values, vectors) for values in found)
        losses = log_partition - logits_of_tokens(vectors, TokenProjection(table, bias), labels)

        def gradient(upstream, *_):
            some, some_labels = parts[:2]
            partitions, upstreams = (_in_parts(x, size) for x in (log_partition, upstream))

            def add_part(index, of_vectors, of_table, of_bias):
                of_logits = _loss_gradient(
                    _logits(some[index], projection),
                    some_labels[index],
                    partitions[index],
                    upstreams[index],
                )
                of_part = tf.matmul(of_logits, some[index], transpose_a=True)
                return (
                    index + 1,
                    of_vectors.write(index, tf.matmul(of_logits, projection.table)),
                    of_table + tf.cast(of_part, tf.float32),
                    of_bias + tf.reduce_sum(tf.cast(of_logits, tf.float32), 0),
                )

            count = some.shape[0] if some.shape[0] is not None else tf.shape(some)[0]
            _, of_vectors, of_table, of_bias = tf.while_loop(
                lambda index, *_: index < count,
                add_part,
                (
                    tf.constant(0),
                    tf.TensorArray(vectors.dtype, count, element_shape=some.shape[1:]),
                    tf.zeros(projection.table.shape),
                    tf.zeros(projection.bias.shape),
                ),
                parallel_iterations=1,
            )
            tokens = table.shape[0]
            return _joined(of_vectors.stack(), vectors), of_table[:tokens], of_bias[:tokens]

        return (losses, log_partition, likeliest, sampled), gradient

    return TokenPrediction(*predict(vectors, table, bias))


def _slots_at_once(vectors, projection):
    """The number of slots of each part, a multiple of 8; the last part is filled up."""
    slots = vectors.shape[0] if vectors.shape[0] is not None else tf.shape(vectors)[0]
    count = slots // max(_LOGITS_AT_ONCE // projection.bias.shape[0], 1) + 1
    return (slots // (8 * count) + 1) * 8


def _in_parts(values, size):
    """Cuts the first axis into parts of `size`, the last filled up with zeros: (parts, size, ...)."""
    length = values.shape[0] if values.shape[0] is not None else tf.shape(values)[0]
    missing = (-length) % size
    filling = [[0, missing], *([0, 0] for _ in values.shape[1:])]
    return tf.reshape(tf.pad(values, filling), [-1, size, *values.shape[1:]])


def _joined(parts, vectors):
    """The reverse of `_in_parts`, with as many slots as `vectors`."""
    return tf.reshape(parts, [-1, *parts.shape[2:]])[: tf.shape(vectors)[0]]


@tf.custom_gradient
def _loss(logits, labels, log_partition):
    """The cross-entropy. Its gradient includes the part that goes through `log_partition`."""

    def gradient(upstream):
        return _loss_gradient(logits, labels, log_partition, upstream), None, None

    return log_partition - tf.cast(tf.gather(logits, labels, batch_dims=1), tf.float32), gradient


def _in_whole_blocks(projection: TokenProjection, dtype) -> TokenProjection:
    """The projection cast to `dtype`, padded to whole blocks with tokens of probability 0."""
    filling = [0, -projection.bias.shape[0] % _BLOCK]
    return TokenProjection(
        tf.pad(tf.cast(projection.table, dtype), [filling, [0, 0]]),
        tf.pad(tf.cast(projection.bias, dtype), [filling], constant_values=-float("inf")),
    )


def _logits(vectors, projection: TokenProjection):
    return add_bias(tf.matmul(vectors, projection.table, transpose_b=True), projection.bias)


@compiled_without_gradient
def _loss_gradient(logits, labels, log_partition, upstream):
    probabilities = tf.exp(tf.cast(logits, tf.float32) - log_partition[:, tf.newaxis])
    is_label = tf.range(tf.shape(logits)[-1]) == labels[:, tf.newaxis]
    difference = tf.where(is_label, probabilities - 1.0, probabilities)
    return tf.cast(upstream[:, tf.newaxis] * difference, logits.dtype)


@compiled_without_gradient
def _predict(logits, labels, noise, *, temperature, disallow_correct):
    """Log partition, likeliest and sampled token of each row of `logits` (rows, whole blocks)."""
    maxima = block_maxima(logits)
    top = tf.reduce_max(maxima, -1)
    masses = _block_masses(logits, top, 1.0)
    ends = cumulative_sum(masses)
    # Not a sum of the masses: XLA would turn it into another pass over all logits.
    log_partition = top + tf.math.log(ends[:, -1])
    block = tf.argmax(maxima, -1, tf.int32)
    likeliest = block * _BLOCK + tf.argmax(_inside(logits, block), -1, tf.int32)
    if disallow_correct:
        # -1000 after the division by the temperature.
        off = tf.one_hot(labels, logits.shape[-1], -1000.0 * temperature, 0.0)
        logits = tf.cast(logits, tf.float32) + off
        top = tf.reduce_max(block_maxima(logits), -1)
    if disallow_correct or temperature != 1.0:
        masses = _block_masses(logits, top, temperature)
        ends = cumulative_sum(masses)
    # Inverse transform sampling in two levels: a block of the vocabulary, then a token in it.
    target = noise * ends[:, -1]
    block, before = _first_beyond(masses, ends, target)
    inside = tf.exp((_inside(logits, block) - top[:, tf.newaxis]) / temperature)
    # Rounding can make `target` smaller than `before`. A negative rest would select the first token of
    # the block even if it has no mass.
    rest = tf.maximum(target - before, 0.0)
    token, _ = _first_beyond(inside, cumulative_sum(inside), rest)
    return log_partition, likeliest, block * _BLOCK + token


def _first_beyond(masses, ends, target):
    """The index of the first of the cumulative sums `ends` that exceeds `target`, and the sum before it.

    Rounding can put the target at the very end. Then the result is the last index with any mass.

    Args:
        masses, ends: shape (rows, count).
        target: shape (rows,).
    """
    places = tf.range(masses.shape[-1])
    index = tf.reduce_sum(tf.cast(ends <= target[:, tf.newaxis], tf.int32), -1)
    index = tf.minimum(index, tf.reduce_max(tf.where(masses > 0, places, 0), -1))
    chosen = places == index[:, tf.newaxis]
    return index, tf.reduce_sum(tf.where(chosen, ends - masses, 0.0), -1)


def blocks_of_logits(logits):
    """Divides rows of logits: (rows, whole blocks) to float32 (rows, blocks, _BLOCK)."""
    return tf.cast(tf.reshape(logits, [-1, logits.shape[-1] // _BLOCK, _BLOCK]), tf.float32)


def block_maxima(logits):
    """The largest logit of each block: (rows, blocks)."""
    return max_in_rows(blocks_of_logits(logits))


def _block_masses(logits, top, temperature):
    """Sums of exp((logits - top) / temperature) by block: (rows, blocks)."""
    blocks = blocks_of_logits(logits) - top[:, tf.newaxis, tf.newaxis]
    return sum_in_rows(tf.exp(blocks / temperature))


def _inside(logits, block):
    """The logits of one block of each row: float32 (rows, _BLOCK)."""
    return part_of_rows(blocks_of_logits(logits), block)
