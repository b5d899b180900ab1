"""Reductions within rows and over rows that are fast on CPUs, for the fused forms of kernels.

A row is a vector along the last axis. `..._in_rows` reduces each row to one number; `sum_over_rows`
adds up all rows to one row.

- A sum written as a matrix product with ones runs at the speed of memory. XLA's own sums on CPUs do not:
  over the leading axes (the gradient of a bias) XLA adds bfloat16 element by element, and for a sum over
  the last axis it stores the summands first.
- A cumulative sum is a product with a triangle of ones, because XLA's own takes quadratic time on CPUs.
- For the maximum of a row, the row is cut into eight slices, whose elementwise maximum comes first. XLA
  makes vector instructions of that, but not of a maximum within one row. Without it the maxima of the
  generator's logits take 3.6 times as long (`python -m benchmarks.alternatives`).
"""

import functools

import tensorflow as tf

from lvbert_tf.layers.kernels.compilation import Kernel


@Kernel
def sum_in_rows(x: tf.Tensor) -> tf.Tensor:
    """The sum over the last axis: shape (..., width) to (...)."""
    return tf.reduce_sum(x, -1)


@sum_in_rows.in_mode("stretches")
def _sum_in_rows(x: tf.Tensor) -> tf.Tensor:
    return product_with_ones(x)[..., 0]


@tf.custom_gradient
def product_with_ones(x: tf.Tensor):
    shape = tf.shape(x)
    sums = tf.matmul(tf.reshape(x, [-1, shape[-1]]), tf.ones([shape[-1], 1], x.dtype))
    sums = tf.reshape(sums, tf.concat([shape[:-1], [1]], 0))
    return sums, lambda upstream: tf.broadcast_to(upstream, shape)


@Kernel
def max_in_rows(x: tf.Tensor) -> tf.Tensor:
    """The maximum over the last axis: shape (..., width) to (...)."""
    return tf.reduce_max(x, -1)


@max_in_rows.in_mode("stretches")
def _max_in_rows(x: tf.Tensor) -> tf.Tensor:
    return maximum_of_eight_slices(x)[..., 0]


def maximum_of_eight_slices(x: tf.Tensor) -> tf.Tensor:
    width = x.shape[-1]
    if width is not None and width % 8 == 0:
        parts = [x[..., start : start + width // 8] for start in range(0, width, width // 8)]
        x = functools.reduce(tf.maximum, parts)
    return tf.reduce_max(x, -1, keepdims=True)


@Kernel
def sum_over_rows(x: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    """The sum of all rows of x, in float32 inside; the result has the shape and the type of `row`."""
    rows = tf.reshape(tf.cast(x, tf.float32), [-1, row.shape.num_elements()])
    return tf.cast(tf.reshape(tf.reduce_sum(rows, 0), row.shape), row.dtype)


@sum_over_rows.in_mode("stretches")
def _product_of_ones(x: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    rows = tf.reshape(x, [-1, row.shape.num_elements()])
    ones = tf.ones([1, tf.shape(rows)[0]], rows.dtype)
    return tf.cast(tf.reshape(tf.matmul(ones, rows), row.shape), row.dtype)


@Kernel
def cumulative_sum(x: tf.Tensor) -> tf.Tensor:
    """Sums of the first values of each row, up to and including each of them: float32 (rows, width)."""
    return tf.cumsum(x, -1)


@cumulative_sum.in_mode("stretches")
def product_with_triangle(x: tf.Tensor) -> tf.Tensor:
    width = x.shape[-1]
    return tf.matmul(x, tf.linalg.band_part(tf.ones([width, width]), 0, -1))


@Kernel
def part_of_rows(x: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """One part of each row: shapes (rows, parts, width) and (rows,) to (rows, width).

    The plain form reads all parts, which compilers merge into a pass that reads them anyway. GPUs and
    TPUs gather single numbers slowly.
    """
    chosen = tf.range(x.shape[1]) == index[:, tf.newaxis]
    return tf.reduce_sum(tf.where(chosen[:, :, tf.newaxis], x, 0), 1)


@part_of_rows.in_mode("stretches")
def gathered_part(x: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    return tf.gather(x, index, batch_dims=1)


@Kernel
def add_bias(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """`x + bias`, in the type of `x`: shapes (..., width) and (width,).

    If x is the product of two matrices, TensorFlow on a CPU merges product and addition.
    """
    return tf.nn.bias_add(x, tf.cast(bias, x.dtype))


@add_bias.in_mode("stretches")
@tf.custom_gradient
def add_bias_with_summed_gradient(x: tf.Tensor, bias: tf.Tensor):
    return add_bias.plain(x, bias), lambda upstream: (upstream, sum_over_rows(upstream, bias))


@tf.custom_gradient
def with_gradient_of(x: tf.Tensor, row: tf.Tensor):
    """Returns `x` and `row` unchanged, and gives `row` the gradient of `x`, summed over all rows.

    It is for a kernel that adds `stop_gradient(row)`. If the kernel adds the row to its argument, pass
    the argument through this function before the kernel. If it adds the row to its result, pass the
    result through it afterwards. The gradient of the row is then a sum of what the kernel's backward
    pass returns in the type of x, which may have 16 bits. It is not a part of the kernel, where XLA on
    CPUs sums slowly, and on TPUs keeps the summands in float32.
    """
    return (x, row), lambda upstream, _: (upstream, sum_over_rows(upstream, row))


@tf.custom_gradient
def multiply_row(x: tf.Tensor, row: tf.Tensor):
    """`x * row`, in the type of `x`: shapes (..., width) and (width,)."""
    factor = tf.cast(row, x.dtype)
    return x * factor, lambda upstream: (upstream * factor, sum_over_rows(upstream * x, row))


@tf.custom_gradient
def softmax(logits: tf.Tensor):
    """Softmax over the last axis of a float32 tensor, with one sum in each of the two passes."""
    exponentials = tf.exp(logits - maximum_of_eight_slices(logits))
    probabilities = exponentials * (1.0 / product_with_ones(exponentials))

    def gradient(upstream):
        return probabilities * (upstream - product_with_ones(upstream * probabilities))

    return probabilities, gradient


def normalize(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tf.Tensor:
    """`gamma (x - mean) / sqrt(variance + epsilon) + beta` over the last axis of a float32 tensor.

    Forward and backward pass have two sums within rows each.
    """

    @tf.custom_gradient
    def standardize(x):
        width = x.shape[-1]
        centered = x - product_with_ones(x) / width
        scale = tf.math.rsqrt(product_with_ones(tf.square(centered)) / width + epsilon)
        normal = centered * scale

        def gradient(upstream):
            mean = product_with_ones(upstream) / width
            slope = product_with_ones(upstream * normal) / width
            return scale * (upstream - mean - normal * slope)

        return normal, gradient

    return add_bias_with_summed_gradient(multiply_row(standardize(x), gamma), beta)
