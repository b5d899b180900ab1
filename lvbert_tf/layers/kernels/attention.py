"""Attention: from vectors to queries, keys and values of several heads, and to averages of values."""

import tensorflow as tf
from keras import ops

from lvbert_tf.layers.kernels.compilation import Kernel, repeated_in_backward_pass
from lvbert_tf.layers.kernels.dropout_mask import Draw
from lvbert_tf.layers.kernels.elementwise import masked_softmax
from lvbert_tf.layers.kernels.rows import add_bias


@Kernel
def project_to_heads(
    x: tf.Tensor, matrix: tf.Tensor, bias: tf.Tensor, *, parts: int, num_heads: int
) -> list[tf.Tensor]:
    """`x W + b` of several parts (query, key, value), each cut into heads.

    Args:
        x: shape (batch, length, width).
        matrix: the columns of all parts side by side: shape (width, parts x heads x head_dim).
        bias: shape (parts x heads x head_dim,).
        parts: the number of parts.
        num_heads: the number of heads.

    Returns:
        for each part a tensor of shape (batch, heads, length, head_dim), in the type of x.
    """
    batch, length, width = ops.shape(x)
    product = tf.matmul(tf.reshape(x, (-1, width)), matrix)
    return split_into_heads(add_bias(product, bias), (batch, length), parts, num_heads)


def split_into_heads(
    x: tf.Tensor, shape: tuple[int | tf.Tensor, ...], parts: int, num_heads: int
) -> list[tf.Tensor]:
    """Cuts rows of parts x heads x head_dim columns into a tensor for each part.

    Args:
        x: the rows of all positions: shape (batch x length, columns) or (batch, length, columns).
        shape: (batch, length).
        parts: the number of parts.
        num_heads: the number of heads.

    Returns:
        for each part a tensor of shape (batch, heads, length, head_dim).
    """
    # One reshape, and no -1: other engines that run exported models need it where there are no rows.
    x = tf.reshape(x, (*shape, parts, num_heads, x.shape[-1] // (parts * num_heads)))
    return [tf.transpose(part, (0, 2, 1, 3)) for part in tf.unstack(x, axis=2)]


# Nothing to repeat in the backward pass: the products are what costs.
project_to_heads.in_mode("whole")(project_to_heads.plain)


@project_to_heads.in_mode("tpu")
def _project_each_part(x, matrix, bias, *, parts, num_heads):
    """A product for each part, whose result has the heads where attention needs them.

    To cut one product apart and to move the heads, a TPU copies all of it, and its gradient again.
    """
    head_dim = matrix.shape[1] // (parts * num_heads)
    matrices = tf.unstack(tf.reshape(matrix, (-1, parts, num_heads, head_dim)), axis=1)
    biases = tf.unstack(tf.reshape(tf.cast(bias, x.dtype), (parts, num_heads, 1, head_dim)))
    return [
        tf.einsum("blc,chd->bhld", x, part) + shift
        for part, shift in zip(matrices, biases, strict=True)
    ]


@Kernel
def attend(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    visible: tf.Tensor,
    *,
    scale: float,
    draw: Draw | None = None,
) -> tf.Tensor:
    """`dropout(softmax(scale Q K')) V` of each head (Vaswani et al., 2017, equation 1).

    Args:
        query, key, value: shape (batch, heads, length, head_dim).
        visible: 1 where a query may attend to a key, else 0: of a shape that broadcasts to (batch,
            heads, queries, keys).
        scale: the factor of the scores.
        draw: the draw of the dropout mask of the probabilities; None means no dropout.

    Returns:
        shape (batch, heads, length, head_dim), in the type of the values.
    """
    scores = tf.matmul(query, key, transpose_b=True)
    return tf.matmul(masked_softmax(scores, visible, scale=scale, draw=draw), value)


@attend.in_mode("whole", "tpu")
@repeated_in_backward_pass
def _attend_twice(query, key, value, visible, *, scale, draw=None):
    """The backward pass repeats scores and softmax.

    They are larger than queries, keys and values together, and cost one product in the width of a head.
    """
    scores = tf.matmul(query, key, transpose_b=True)
    return tf.matmul(masked_softmax.plain(scores, visible, scale=scale, draw=draw), value)
