"""Element-wise stretches of the training step, each compiled by XLA into one pass over memory.

On CPUs TensorFlow runs every element-wise operation as its own pass; these stretches, not the
matrix products, would take half of a training step (see docs/performance.md). Each function here has
a hand-written gradient, and both directions are compiled on their own, which takes a fraction of a
second a shape; compiling the whole 24-layer step would take minutes. Inside a step that is itself
compiled (TPU, `jit_compile`) they are inlined.

Inference does not come through here: layers use plain operations there, so that an exported model
needs no compiler.
"""

import math

import tensorflow as tf

_SQRT_HALF = math.sqrt(0.5)
_INVERSE_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


def _compiled(function):
    return tf.function(function, jit_compile=True, autograph=False)


@_compiled
def _gelu(x):
    wide = tf.cast(x, tf.float32)
    return tf.cast(0.5 * wide * (1.0 + tf.math.erf(wide * _SQRT_HALF)), x.dtype)


@_compiled
def _gelu_gradient(x, upstream):
    wide = tf.cast(x, tf.float32)
    cdf = 0.5 * (1.0 + tf.math.erf(wide * _SQRT_HALF))
    density = _INVERSE_SQRT_2PI * tf.exp(-0.5 * wide * wide)
    return tf.cast(tf.cast(upstream, tf.float32) * (cdf + wide * density), x.dtype)


@tf.custom_gradient
def gelu(x):
    """Exact GELU, `x * Phi(x)`, of a tensor of any shape (Hendrycks and Gimpel, 2016)."""
    return _gelu(x), lambda upstream: _gelu_gradient(x, upstream)


@_compiled
def _glu(values, gates, mask):
    return values * tf.sigmoid(gates) * mask


@_compiled
def _glu_gradient(values, gates, mask, upstream):
    gate = tf.sigmoid(tf.cast(gates, tf.float32))
    upstream = tf.cast(upstream * mask, tf.float32)
    to_gates = upstream * tf.cast(values, tf.float32) * gate * (1.0 - gate)
    return tf.cast(upstream * gate, values.dtype), tf.cast(to_gates, values.dtype)


@tf.custom_gradient
def masked_glu(values, gates, mask):
    """Gated linear unit, `values * sigmoid(gates) * mask` (Dauphin et al., 2017).

    Args:
        values, gates: shape (batch, length, width).
        mask: shape (batch, length, 1), 0 where the result is to be 0; gets no gradient.
    """

    def gradient(upstream):
        return *_glu_gradient(values, gates, mask, upstream), None

    return _glu(values, gates, mask), gradient


def _normalized(x, epsilon):
    centered = x - tf.reduce_mean(x, -1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centered), -1, keepdims=True)
    inverse = tf.math.rsqrt(variance + epsilon)
    return centered * inverse, inverse


def _residual_sum(x, residual, keep, scale):
    kept = tf.where(keep, tf.cast(x, tf.float32) * scale, 0.0)
    return tf.cast(residual, tf.float32) + kept


@_compiled
def _dropout_add_norm(x, residual, keep, scale, gamma, beta, epsilon):
    normal, _ = _normalized(_residual_sum(x, residual, keep, scale), epsilon)
    return tf.cast(normal * gamma + beta, x.dtype)


@_compiled
def _dropout_add_norm_gradient(x, residual, keep, scale, gamma, epsilon, upstream):
    normal, inverse = _normalized(_residual_sum(x, residual, keep, scale), epsilon)
    upstream = tf.cast(upstream, tf.float32)
    rows = list(range(upstream.shape.rank - 1))
    to_gamma = tf.reduce_sum(upstream * normal, rows)
    to_beta = tf.reduce_sum(upstream, rows)
    scaled = upstream * gamma
    mean = tf.reduce_mean(scaled, -1, keepdims=True)
    projection = tf.reduce_mean(scaled * normal, -1, keepdims=True)
    to_sum = inverse * (scaled - mean - normal * projection)
    to_x = tf.where(keep, to_sum * scale, 0.0)
    return tf.cast(to_x, x.dtype), tf.cast(to_sum, residual.dtype), to_gamma, to_beta


def dropout_add_norm(x, residual, keep, scale, gamma, beta, epsilon):
    """`LayerNorm(residual + dropout(x))`, the end of every post-LN layer.

    Args:
        x, residual: shape (..., width).
        keep: boolean, shape of `x`: false where `x` is dropped.
        scale: what kept values are multiplied by.
        gamma, beta: float32, shape (width,).
        epsilon: added to the variance.
    """

    @tf.custom_gradient
    def apply(x, residual, gamma, beta):
        def gradient(upstream):
            return _dropout_add_norm_gradient(x, residual, keep, scale, gamma, epsilon, upstream)

        return _dropout_add_norm(x, residual, keep, scale, gamma, beta, epsilon), gradient

    return apply(x, residual, gamma, beta)


@_compiled
def _softmax_dropout(scores, adder, keep, scale):
    wide = tf.cast(scores, tf.float32) + adder
    wide = tf.exp(wide - tf.reduce_max(wide, -1, keepdims=True))
    probabilities = wide / tf.reduce_sum(wide, -1, keepdims=True)
    dropped = tf.where(keep, probabilities * scale, 0.0)
    return tf.cast(dropped, scores.dtype), tf.cast(probabilities, scores.dtype)


@_compiled
def _softmax_dropout_gradient(probabilities, keep, scale, upstream):
    wide = tf.cast(probabilities, tf.float32)
    upstream = tf.where(keep, tf.cast(upstream, tf.float32) * scale, 0.0)
    inner = tf.reduce_sum(upstream * wide, -1, keepdims=True)
    return tf.cast(wide * (upstream - inner), probabilities.dtype)


def softmax_dropout(scores, adder, keep, scale):
    """`dropout(softmax(scores + adder))` over the last axis.

    Args:
        scores: shape (batch, heads, queries, keys).
        adder: float32, broadcastable to `scores`; gets no gradient.
        keep: boolean, shape of `scores`.
        scale: what kept probabilities are multiplied by.
    """

    @tf.custom_gradient
    def apply(scores):
        dropped, probabilities = _softmax_dropout(scores, adder, keep, scale)
        return dropped, lambda upstream: _softmax_dropout_gradient(
            probabilities, keep, scale, upstream
        )

    return apply(scores)
