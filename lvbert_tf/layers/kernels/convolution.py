"""Kernels of dynamic convolution: depthwise convolution, softmax over taps, average over a window."""

import math

import tensorflow as tf
from keras import ops

from lvbert_tf.layers.kernels.compilation import (
    Kernel,
    compiled,
    repeated_in_backward_pass,
)
from lvbert_tf.layers.kernels.rows import product_with_ones, softmax

_STRIDES = (1, 1, 1, 1)
_PARTS = 4  # into so many parts a batch is divided; one pass over memory adds them up


@Kernel
def depthwise_convolution(padded: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolves each channel with taps of its own: `y[t, c] = sum over k of x[t + k, c] kernel[k, c]`.

    The reshapes around the convolution, and as many results as values, of which the outer ones are left
    out, suit the engines for exported models: OpenVINO then transposes less, and a batch of no rows
    keeps its shape in TensorFlow and in ONNX Runtime.

    Args:
        padded: shape (batch, length + taps - 1, channels).
        kernel: the weights, shape (taps, channels).

    Returns:
        shape (batch, length, channels), in the type of `padded`.
    """
    batch, length, width = ops.shape(padded)
    taps = kernel.shape[0]
    image = tf.reshape(padded, (batch, length, 1, width))
    filters = tf.cast(kernel, padded.dtype)[:, tf.newaxis, :, tf.newaxis]
    result = tf.nn.depthwise_conv2d(image, filters, _STRIDES, "SAME")
    return _shifted(tf.reshape(result, (batch, length, width)), (taps - 1) // 2, taps)


def _filters(kernel, dtype):
    return tf.cast(kernel, dtype)[tf.newaxis, :, :, tf.newaxis]


def _convolve(padded, filters):
    image, taps = tf.expand_dims(padded, 1), filters.shape[1]
    result = tf.nn.depthwise_conv2d(image, filters, _STRIDES, "VALID")[:, 0]
    # TensorFlow leaves the padding in the result of an empty batch.
    return result[:, : ops.shape(padded)[1] - taps + 1]


@depthwise_convolution.in_mode("tpu")
@repeated_in_backward_pass
def _convolution(padded, kernel):
    return _convolve(padded, _filters(kernel, padded.dtype))


@depthwise_convolution.in_mode("whole")
@repeated_in_backward_pass
def sum_of_shifted(padded: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Products and sums, which XLA merges into one loop: GPUs have no fast grouped convolution."""
    taps = kernel.shape[0]
    wide, kernel = tf.cast(padded, tf.float32), tf.cast(kernel, tf.float32)
    total = sum(_shifted(wide, tap, taps) * kernel[tap] for tap in range(taps))
    return tf.cast(total, padded.dtype)


def _shifted(padded, tap, taps):
    """`padded[:, tap : tap + length]`, for a length of `taps - 1` less than that of `padded`.

    The ends are numbers, whether the length is known or not. XLA compiles a step anew for each value of
    an end that a branch of a conditional computes, which is where a supernet has its layers; and engines
    for exported models spend as long on computing the ends as on the slices.
    """
    return padded[:, tap : tap - taps + 1 or None]


@depthwise_convolution.in_mode("stretches")
@tf.custom_gradient
def _depthwise_convolution(padded, kernel):
    """As the definition; but the gradient of `kernel` is a sum of products over all positions.

    With TensorFlow's own gradient, forward and backward pass together take 2.8 times as long
    (`python -m benchmarks.alternatives`).
    """
    filters, taps = _filters(kernel, padded.dtype), kernel.shape[0]

    def gradient(upstream):
        of_padded = tf.nn.depthwise_conv2d_backprop_input(
            tf.shape(tf.expand_dims(padded, 1)), filters, upstream[:, tf.newaxis], _STRIDES, "VALID"
        )
        partial = _products_with_windows(upstream, padded, taps=taps)
        by_tap = tf.reshape(partial, [taps, -1, kernel.shape[1]])
        ones = tf.ones([1, tf.shape(by_tap)[1]])
        of_kernel = tf.stack([tf.matmul(ones, by_tap[tap])[0] for tap in range(taps)])
        return of_padded[:, 0], tf.cast(of_kernel, kernel.dtype)

    return _convolve(padded, filters), gradient


@compiled
def _products_with_windows(x, padded, *, taps):
    """For each tap, the product of `x[t]` and `padded[t + tap]`; the parts of the batch are added up.

    Returns:
        float32 of shape (taps, batch / parts, length, channels).
    """
    batch, length = tf.shape(x)[0], tf.shape(x)[1]
    parts = math.gcd(x.shape[0] or 1, _PARTS)
    share = batch // parts
    wide, padded = tf.cast(x, tf.float32), tf.cast(padded, tf.float32)
    return tf.stack(
        [
            sum(
                wide[part * share : (part + 1) * share]
                * padded[part * share : (part + 1) * share, tap : tap + length]
                for part in range(parts)
            )
            for tap in range(taps)
        ]
    )


@Kernel
def softmax_over_taps(logits: tf.Tensor, bias: tf.Tensor, *, num_heads: int) -> tf.Tensor:
    """`softmax(logits + bias)` over the taps of each head, computed in float32.

    Args:
        logits: shape (batch, length, heads x taps).
        bias: shape (heads x taps,).
        num_heads: the number of heads.

    Returns:
        shape (batch, length, heads, taps), in the type of the logits.
    """
    return tf.cast(tf.nn.softmax(_by_head(logits, bias, num_heads)), logits.dtype)


@softmax_over_taps.in_mode("stretches")
def _softmax_over_taps(logits, bias, *, num_heads):
    """The softmax of `rows`, without XLA: with nine numbers in a row, XLA's loops are not faster."""
    return tf.cast(softmax(_by_head(logits, bias, num_heads)), logits.dtype)


def _by_head(logits, bias, num_heads):
    batch, length, _ = ops.shape(logits)
    wide = tf.cast(logits, tf.float32) + tf.cast(bias, tf.float32)
    return tf.reshape(wide, (batch, length, num_heads, logits.shape[-1] // num_heads))


@Kernel
def average_over_window(weights: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """`y[t, h] = sum over k of weights[t, h, k] value[t + k, h]`, computed in float32.

    Args:
        weights: shape (batch, length, heads, taps).
        value: shape (batch, length + taps - 1, heads, head_dim).

    Returns:
        shape (batch, length, heads, head_dim), in the type of `value`.
    """
    wide = tf.cast(weights, tf.float32), tf.cast(value, tf.float32)
    return tf.cast(_weighted_sum(*wide), value.dtype)


def _weighted_sum(weights, value):
    taps = weights.shape[-1]
    by_tap = enumerate(tf.split(weights, taps, axis=-1))
    return sum(weight * _shifted(value, tap, taps) for tap, weight in by_tap)


@average_over_window.in_mode("stretches")
@compiled
def _average_over_window(weights, value):
    """One compiled loop for the forward and one for the backward pass.

    The heads stay an axis of their own. A loop that ends in a reshape which joins them takes 2.4 times
    as long (`python -m benchmarks.alternatives`).
    """
    averaged = weighted_window(tf.cast(weights, tf.float32), tf.cast(value, tf.float32))
    return tf.cast(averaged, value.dtype)


@average_over_window.in_mode("tpu")
@repeated_in_backward_pass
def product_with_band(weights: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """A matrix product of each head, as in attention, whose left factor is a band: the weights, shifted.

    The matrix units of a TPU have nothing else to do here. Nine products and sums on its vector unit
    take more cycles, and the gradients of the weights, a few numbers a row, waste memory on the padding
    of tiles.
    """
    length, taps = ops.shape(weights)[1], weights.shape[-1]
    offset = tf.range(length + taps - 1) - tf.range(length)[:, tf.newaxis]  # of a value to a result
    by_head = tf.transpose(weights, (0, 2, 1, 3))  # (batch, heads, length, taps)
    zero = tf.zeros([], weights.dtype)
    band = sum(tf.where(offset == k, by_head[..., k : k + 1], zero) for k in range(taps))
    averaged = tf.matmul(band, tf.transpose(value, (0, 2, 1, 3)))
    return tf.transpose(averaged, (0, 2, 1, 3))


@tf.custom_gradient
def weighted_window(weights: tf.Tensor, value: tf.Tensor):
    """As `_weighted_sum`, but the gradient of `value` is computed as one sum over shifted slices."""
    length, taps = tf.shape(weights)[1], weights.shape[-1]

    def gradient(upstream):
        of_weights = tf.concat(
            [product_with_ones(upstream * value[:, tap : tap + length]) for tap in range(taps)],
            -1,
        )
        around = ((0, 0), (taps - 1, taps - 1), (0, 0), (0, 0))
        weighted = tf.pad(upstream, around), tf.pad(weights, around)
        of_value = 0.0
        for tap in range(taps):
            moved = slice(taps - 1 - tap, length + 2 * (taps - 1) - tap)
            of_value += weighted[0][:, moved] * weighted[1][:, moved, :, tap : tap + 1]
        return of_weights, of_value

    return _weighted_sum(weights, value), gradient
