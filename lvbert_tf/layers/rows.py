"""Sums and maxima of rows and columns, and what is made of them, in the form that is fast on CPUs.

A sum written as a product with ones runs at the speed of memory. XLA's own sums do not: those over
the leading axes of bfloat16 (the gradient of a vector that was added to every row) go element by
element, and those over the last axis store their argument first.
"""

import functools

import tensorflow as tf


def _sum_of_rows(x: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    rows = tf.reshape(x, [-1, row.shape.num_elements()])
    ones = tf.ones([1, tf.shape(rows)[0]], rows.dtype)
    return tf.cast(tf.reshape(tf.matmul(ones, rows), row.shape), row.dtype)


@tf.custom_gradient
def add_row(x: tf.Tensor, row: tf.Tensor):
    """`x + row`, in the type of `x`: shapes (..., width) and (width,), or more axes in both."""
    addend = tf.cast(row, x.dtype)
    # TensorFlow merges the form for one axis into the matrix product before it.
    total = tf.nn.bias_add(x, addend) if addend.shape.rank == 1 else x + addend
    return total, lambda upstream: (upstream, _sum_of_rows(upstream, row))


@tf.custom_gradient
def tie_row(x: tf.Tensor, row: tf.Tensor):
    """`x` and `row` as they are; what `x` gets as its gradient, `row` gets too, summed over rows.

    For a compiled stretch of `x + stop_gradient(row)`, or whose result is `x`, which ends in
    `+ stop_gradient(row)`: TensorFlow's product with ones is faster than the compiled one.
    """
    return (x, row), lambda upstream, _: (upstream, _sum_of_rows(upstream, row))


@tf.custom_gradient
def multiply_row(x: tf.Tensor, row: tf.Tensor):
    """`x * row`, in the type of `x`: shapes (..., width) and (width,)."""
    factor = tf.cast(row, x.dtype)
    return x * factor, lambda upstream: (upstream * factor, _sum_of_rows(upstream * x, row))


@tf.custom_gradient
def sum_in_rows(x: tf.Tensor):
    """Sum over the last axis, which stays with size 1: float32 of shape (..., width)."""
    shape = tf.shape(x)
    sums = tf.matmul(tf.reshape(x, [-1, shape[-1]]), tf.ones([shape[-1], 1], x.dtype))
    sums = tf.reshape(sums, tf.concat([shape[:-1], [1]], 0))
    return sums, lambda upstream: tf.broadcast_to(upstream, shape)


def max_in_rows(x: tf.Tensor) -> tf.Tensor:
    """Maximum over the last axis, which stays with size 1.

    Of eight parts first: XLA makes vectors of that, but not of a maximum over many numbers.
    """
    width = x.shape[-1]
    if width is not None and width % 8 == 0:
        parts = [x[..., start : start + width // 8] for start in range(0, width, width // 8)]
        x = functools.reduce(tf.maximum, parts)
    return tf.reduce_max(x, -1, keepdims=True)


@tf.custom_gradient
def softmax(logits: tf.Tensor):
    """Softmax over the last axis: float32 of shape (..., width)."""
    exponentials = tf.exp(logits - max_in_rows(logits))
    probabilities = exponentials * (1.0 / sum_in_rows(exponentials))

    def gradient(upstream):
        return probabilities * (upstream - sum_in_rows(upstream * probabilities))

    return probabilities, gradient
