"""Kernels between two matrix products: activations, softmax and layer normalisation, with dropout.

Each plain definition is the formula. Each fused form is one loop, compiled by XLA in both directions. A
product comes without its bias (`Dense.product`), so that the loop over the product adds the bias too.
`python -m benchmarks.stretches` prints how long every kernel takes in either form.
"""

import math

import numpy as np
import tensorflow as tf

from lvbert_tf.layers.kernels.compilation import (
    Kernel,
    compiled,
    repeated_in_backward_pass,
)
from lvbert_tf.layers.kernels.dropout_mask import Draw, dropped
from lvbert_tf.layers.kernels.rows import add_bias, normalize, softmax, with_gradient_of


def _wide(x) -> tf.Tensor:
    return tf.cast(x, tf.float32)


def _wide_sum(x, bias):
    """`x + bias` in float32; `with_gradient_of` sums the gradient of the bias."""
    return _wide(x) + _wide(tf.stop_gradient(bias))


# === GELU, alone and before a product ===


def gelu(z: tf.Tensor) -> tf.Tensor:
    """`z Phi(z)`, with the normal distribution function Phi (Hendrycks and Gimpel, 2016)."""
    return 0.5 * z * (1.0 + tf.math.erf(z * math.sqrt(0.5)))


@Kernel
def bias_gelu(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """`gelu(x + bias)`.

    It is computed in the type of x. If x is the product of two matrices, TensorFlow on a CPU then merges
    product, bias and GELU into one operation.

    Args:
        x: shape (..., width).
        bias: shape (width,).
    """
    return gelu(add_bias.plain(x, bias))


def _wide_bias_gelu(x, bias):
    """In float32, which costs nothing where XLA compiles the whole step."""
    return tf.cast(gelu(_wide(x) + _wide(bias)), x.dtype)


bias_gelu.in_mode("whole", "tpu")(repeated_in_backward_pass(_wide_bias_gelu))


@bias_gelu.in_mode("stretches")
def _bias_gelu(x, bias):
    return _compiled_bias_gelu(*with_gradient_of(x, bias))


@compiled
def _compiled_bias_gelu(x, bias):
    z = _wide_sum(x, bias)
    return tf.cast((gelu if x.dtype == tf.float32 else _gelu_for_16_bits)(z), x.dtype)


@tf.custom_gradient
def _gelu_for_16_bits(z):
    """GELU whose derivative is a polynomial; its error, below 1e-4, hardly matters in 16 bits.

    With the exact derivative the kernel takes 1.4 times as long (`python -m benchmarks.alternatives`).
    """
    return gelu(z), lambda upstream: upstream * _slope(z)


_LIMIT = 4.4  # beyond it the derivative is 0 or 1 to within 7e-5
_DEGREE = 9


def _slope_coefficients() -> list[float]:
    """Coefficients c of `d GELU / dz = 1/2 + z (c[0] + c[1] t + ...)`, `t = 2 z^2 / _LIMIT^2 - 1`.

    The polynomial interpolates at Chebyshev's nodes.
    """

    def factor(t):
        z = _LIMIT * np.sqrt(0.5 * (t + 1.0))
        phi = 0.5 * np.array([math.erf(value) for value in z * math.sqrt(0.5)])
        return phi / z + np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)

    series = np.polynomial.Chebyshev.interpolate(factor, _DEGREE)
    return series.convert(kind=np.polynomial.Polynomial).coef.tolist()


_SLOPE = _slope_coefficients()


def _slope(z):
    z = tf.clip_by_value(z, -_LIMIT, _LIMIT)
    t = tf.square(z) * (2.0 / _LIMIT**2) - 1.0
    factor = _SLOPE[-1]
    for coefficient in reversed(_SLOPE[:-1]):
        factor = factor * t + coefficient
    return 0.5 + z * factor


@Kernel
def gelu_product(x: tf.Tensor, bias: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """`gelu(x + bias) W`; see `bias_gelu`.

    Args:
        x: shape (rows, width).
        bias: shape (width,).
        matrix: W, shape (width, columns).

    Returns:
        shape (rows, columns), in the type of x.
    """
    return tf.matmul(bias_gelu(x, bias), matrix)


# A GPU would have to store the repeated GELU before the product reads it.
gelu_product.in_mode("whole")(gelu_product.plain)


@gelu_product.in_mode("tpu")
@repeated_in_backward_pass
def _repeated_gelu_product(x, bias, matrix):
    """A TPU computes GELU on the way into the product, so the backward pass keeps x alone.

    What GELU returns is as large as x, and four times as large as the vectors between layers.
    """
    return tf.matmul(_wide_bias_gelu(x, bias), matrix)


# === Gated linear unit ===


@Kernel
def gated_linear_unit(product: tf.Tensor, bias: tf.Tensor, mask: tf.Tensor, *, window) -> tf.Tensor:
    """`value * sigmoid(gate) * mask` (Dauphin et al., 2017), with zeros before and after each sequence.

    Args:
        product: values (index 0 of the third axis) and gates (index 1): shape
            (batch, length, 2, channels).
        bias: the bias of both, not yet added to the product: shape (2, channels).
        mask: 1 where the result is kept, 0 where it becomes zero: shape (batch, length).
        window: the number of zero positions to add before and after each sequence.

    Returns:
        shape (batch, window[0] + length + window[1], channels), in the type of the product.
    """
    value, gate = tf.unstack(_wide(product) + _wide(bias), axis=2)
    # Not `[:, :, tf.newaxis]`, which TensorFlow Lite cannot convert.
    gated = value * tf.sigmoid(gate) * tf.expand_dims(_wide(mask), -1)
    return tf.cast(tf.pad(gated, ((0, 0), window, (0, 0))), product.dtype)


@gated_linear_unit.in_mode("whole", "tpu")
def _gated_linear_unit_of_one_pass(product, bias, mask, *, window):
    product, bias = with_gradient_of(product, bias)
    return _repeated_gated_linear_unit(product, tf.stop_gradient(bias), mask, window=window)


_repeated_gated_linear_unit = repeated_in_backward_pass(gated_linear_unit.plain)


@gated_linear_unit.in_mode("stretches")
def _gated_linear_unit(product, bias, mask, *, window):
    product, bias = with_gradient_of(product, bias)
    return _compiled_gated_linear_unit(product, bias, mask, window=window)


@compiled
def _compiled_gated_linear_unit(product, bias, mask, *, window):
    gated = _gate(_wide_sum(product, bias)) * tf.expand_dims(_wide(mask), -1)
    return tf.cast(tf.pad(gated, ((0, 0), window, (0, 0))), product.dtype)


@tf.custom_gradient
def _gate(x):
    """`value * sigmoid(gate)`, with one pass for both gradients instead of two and a concatenation."""
    values, gates = x[:, :, 0], tf.sigmoid(x[:, :, 1])

    def gradient(upstream):
        of_values = upstream * gates
        of_gates = of_values * values * (1.0 - gates)
        is_value = tf.constant([True, False])[:, tf.newaxis]
        return tf.where(is_value, of_values[:, :, tf.newaxis], of_gates[:, :, tf.newaxis])

    return values * gates, gradient


# === Softmax ===

_HIDDEN = -10_000.0  # what is added to the score of a hidden key, as in BERT


@Kernel
def masked_softmax(
    scores: tf.Tensor, visible: tf.Tensor, *, scale: float, draw: Draw | None = None
) -> tf.Tensor:
    """`dropout(softmax(scale * scores))` over the visible keys (Vaswani et al., 2017, section 3.2).

    Args:
        scores: shape (batch, heads, queries, keys).
        visible: 1 or 0, of a shape that broadcasts to that of the scores.
        scale: the factor of the scores.
        draw: the draw of the dropout mask; None means no dropout.
    """
    logits = _wide(scores) * scale + (1.0 - _wide(visible)) * _HIDDEN
    probabilities = tf.nn.softmax(logits)
    if draw is not None:
        probabilities = dropped(probabilities, *draw)
    return tf.cast(probabilities, scores.dtype)


@masked_softmax.in_mode("stretches")
def _masked_softmax(scores, visible, *, scale, draw=None):
    if draw is None:
        return _compiled_softmax(scores, visible, scale=scale)
    return _compiled_softmax_dropout(scores, visible, draw.seed, scale=scale, rate=draw.rate)


@compiled
def _compiled_softmax(scores, visible, *, scale):
    return tf.cast(_probabilities(scores, visible, scale), scores.dtype)


@compiled
def _compiled_softmax_dropout(scores, visible, seed, *, scale, rate):
    return tf.cast(dropped(_probabilities(scores, visible, scale), seed, rate), scores.dtype)


def _probabilities(scores, visible, scale):
    adder = (1.0 - _wide(visible)) * _HIDDEN
    return softmax(_wide(scores) * scale + adder)


# === Layer normalisation ===


@Kernel
def layer_norm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, *, epsilon: float) -> tf.Tensor:
    """`gamma (x - mean) / sqrt(variance + epsilon) + beta` over the last axis (Ba et al., 2016).

    Computed in float32 whatever the type of x. It has the operations in which the engines for exported
    models recognise a LayerNorm, for which each has one operation.

    Args:
        x: shape (..., width).
        gamma, beta: shape (width,).
        epsilon: added to the variance.
    """
    centered = _wide(x) - tf.reduce_mean(_wide(x), [-1], keepdims=True)
    variance = tf.reduce_mean(centered**2, [-1], keepdims=True)
    normal = centered / tf.sqrt(variance + epsilon)
    return tf.cast(normal * _wide(gamma) + _wide(beta), x.dtype)


def _norm_by_product(x, gamma, beta, *, epsilon):
    """A product with the inverse root, of which a row has one; the definition divides each number."""
    mean, variance = tf.nn.moments(_wide(x), -1, keepdims=True)
    normal = (_wide(x) - mean) * tf.math.rsqrt(variance + epsilon)
    return tf.cast(normal * _wide(gamma) + _wide(beta), x.dtype)


layer_norm.in_mode("whole", "tpu")(repeated_in_backward_pass(_norm_by_product))


@layer_norm.in_mode("stretches")
@compiled
def _layer_norm(x, gamma, beta, *, epsilon):
    return tf.cast(normalize(_wide(x), gamma, beta, epsilon), x.dtype)


@Kernel
def add_norm(
    x: tf.Tensor,
    bias: tf.Tensor,
    residual: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    *,
    epsilon: float,
    draw: Draw | None = None,
) -> tf.Tensor:
    """`layer_norm(residual + dropout(x + bias))`.

    Args:
        x, residual: shape (..., width).
        bias, gamma, beta: shape (width,).
        epsilon: added to the variance.
        draw: the draw of the dropout mask; None means no dropout.
    """
    total = _sum_with_residual(x, bias, residual, draw)
    return tf.cast(layer_norm.plain(total, gamma, beta, epsilon=epsilon), residual.dtype)


def _sum_with_residual(x, bias, residual, draw):
    x = _wide(x) + _wide(bias)
    if draw is not None:
        x = dropped(x, *draw)
    return _wide(residual) + x


@add_norm.in_mode("whole", "tpu")
@repeated_in_backward_pass
def _add_norm_by_product(x, bias, residual, gamma, beta, *, epsilon, draw=None):
    total = _sum_with_residual(x, bias, residual, draw)
    normal = _norm_by_product(total, gamma, beta, epsilon=epsilon)
    return tf.cast(normal, residual.dtype)


@add_norm.in_mode("stretches")
def _add_norm(x, bias, residual, gamma, beta, *, epsilon, draw=None):
    x, bias = with_gradient_of(x, bias)
    if draw is None:
        output = _compiled_add_norm(x, bias, residual, gamma, beta, epsilon=epsilon)
    else:
        output = _compiled_dropout_add_norm(
            x, bias, residual, draw.seed, gamma, beta, rate=draw.rate, epsilon=epsilon
        )
    return with_gradient_of(output, beta)[0]


@compiled
def _compiled_add_norm(x, bias, residual, gamma, beta, *, epsilon):
    return _norm_of_sum(_wide_sum(x, bias), residual, gamma, beta, epsilon)


@compiled
def _compiled_dropout_add_norm(x, bias, residual, seed, gamma, beta, *, rate, epsilon):
    return _norm_of_sum(dropped(_wide_sum(x, bias), seed, rate), residual, gamma, beta, epsilon)


def _norm_of_sum(x, residual, gamma, beta, epsilon):
    total = x + _wide(residual)
    normal = normalize(total, gamma, tf.stop_gradient(beta), epsilon)
    return tf.cast(normal, residual.dtype)
