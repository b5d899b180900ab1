"""Depthwise convolution along a sequence, with a fast gradient of its kernel."""

import math

import tensorflow as tf

from lvbert_tf.layers.compiled import compiled

_STRIDES = (1, 1, 1, 1)
_PARTS = 4  # of a batch, added up in one pass over memory


@tf.custom_gradient
def depthwise_convolution(padded: tf.Tensor, kernel: tf.Tensor):
    """Convolves each channel with its own taps: `y[t, c] = sum over k of x[t + k, c] kernel[k, c]`.

    TensorFlow's own kernels compute it and the gradient of `x`. Theirs of the kernel takes ten times
    as long as either on CPUs; it is a sum of products over all positions, and computed as that.

    Args:
        padded: shape (batch, length + taps - 1, channels).
        kernel: shape (taps, channels).

    Returns:
        shape (batch, length, channels), in the type of `padded`.
    """
    image, taps = tf.expand_dims(padded, 1), kernel.shape[0]
    filters = tf.cast(kernel, padded.dtype)[tf.newaxis, :, :, tf.newaxis]
    result = tf.nn.depthwise_conv2d(image, filters, _STRIDES, "VALID")[:, 0]
    # Of an empty batch TensorFlow leaves the padding there.
    result = result[:, : tf.shape(padded)[1] - taps + 1]

    def gradient(upstream):
        of_image = tf.nn.depthwise_conv2d_backprop_input(
            tf.shape(image), filters, upstream[:, tf.newaxis], _STRIDES, "VALID"
        )
        partial = _products_with_windows(upstream, padded, training=True, taps=taps)
        rows = tf.reshape(partial, [taps, -1, kernel.shape[1]])
        ones = tf.ones([1, tf.shape(rows)[1]])
        of_kernel = tf.stack([tf.matmul(ones, rows[tap])[0] for tap in range(taps)])
        return of_image[:, 0], tf.cast(of_kernel, kernel.dtype)

    return result, gradient


@compiled
def _products_with_windows(x, padded, *, taps):
    """x times the window's values at each tap, partly summed over the batch.

    float32 of shape (taps, batch / parts, length, channels)
    """
    batch, length = tf.shape(x)[0], tf.shape(x)[1]
    parts = math.gcd(x.shape[0] or 1, _PARTS)
    rows = batch // parts
    wide, padded = tf.cast(x, tf.float32), tf.cast(padded, tf.float32)
    return tf.stack(
        [
            sum(
                wide[part * rows : (part + 1) * rows]
                * padded[part * rows : (part + 1) * rows, tap : tap + length]
                for part in range(parts)
            )
            for tap in range(taps)
        ]
    )
