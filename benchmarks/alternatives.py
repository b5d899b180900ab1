"""What ways not taken cost: each choice of docs/performance.md beside its alternative.

    python -m benchmarks.alternatives --precision bfloat16

Prints CPU times at the sizes of LV-BERT-small, forward and backward as in `stretches.py`, for the logits
of the masked slots forward only.
"""

import tensorflow as tf
from absl import flags

from benchmarks import stretches
from lvbert_tf import cli
from lvbert_tf.layers import kernels
from lvbert_tf.layers.kernels import compile_as, convolution, elementwise, rows
from lvbert_tf.layers.kernels.compilation import compiled, compiled_without_gradient
from lvbert_tf.pretraining import token_logits

FLAGS = flags.FLAGS
BATCH, LENGTH, WIDTH = stretches.BATCH, stretches.LENGTH, stretches.WIDTH
HEADS, TAPS = stretches.HEADS, stretches.TAPS
SLOTS, VOCABULARY = 19 * BATCH, 30720  # BERT's 30,522 tokens in whole blocks
RATE = 0.1


@compiled
def exact_gelu(x, bias):
    z = tf.cast(rows.add_bias(x, bias), tf.float32)
    return tf.cast(elementwise.gelu(z), x.dtype)


@compiled
def hashed_dropout(x, seed):
    return tf.where(kernels.keep_mask(seed, x.shape, RATE), x, 0)


def philox_dropout(x, seed):
    uniform = tf.random.stateless_uniform(x.shape, tf.bitcast(seed, tf.int32), alg="philox")
    return tf.where(uniform >= RATE, x, 0)


def heads_joined_after(weights, value):
    by_head = kernels.average_over_window(weights, value)
    return tf.reshape(by_head, (BATCH, LENGTH, WIDTH))


@compiled
def heads_joined_inside(weights, value):
    wide = tf.cast(weights, tf.float32), tf.cast(value, tf.float32)
    averaged = tf.cast(convolution.weighted_window(*wide), value.dtype)
    return tf.reshape(averaged, (BATCH, LENGTH, WIDTH))


@compiled_without_gradient
def maxima_in_parts(logits):
    return token_logits.block_maxima(logits)


@compiled_without_gradient
def maxima_of_xla(logits):
    return tf.reduce_max(token_logits.blocks_of_logits(logits), -1)


def pairs(dtype: tf.DType):
    """(name, our function, the alternative, their tensors)."""

    def normal(*shape, dtype=dtype):
        return tf.cast(tf.random.stateless_normal(shape, (1, 2)), dtype)

    seed = tf.constant([3, 4], tf.uint32)
    inner = (normal(BATCH, LENGTH, 4 * WIDTH), normal(4 * WIDTH))
    padded = normal(BATCH, LENGTH + TAPS - 1, WIDTH)
    window = (
        normal(BATCH, LENGTH, HEADS, TAPS),
        tf.reshape(padded, (BATCH, -1, HEADS, WIDTH // HEADS)),
    )
    return [
        (
            "bias, GELU: polynomial in 16 bits and sums outside · exact and compiled",
            kernels.bias_gelu,
            exact_gelu,
            inner,
        ),
        (
            "dropout of a million values: hash · Philox",
            hashed_dropout,
            philox_dropout,
            (normal(1000, 1000), seed),
        ),
        (
            "window's average, heads joined: after the loop · inside",
            heads_joined_after,
            heads_joined_inside,
            window,
        ),
        (
            "depthwise convolution: our gradient of the weights · TensorFlow's",
            kernels.depthwise_convolution,
            kernels.depthwise_convolution.plain,
            (padded, normal(TAPS, WIDTH, dtype=tf.float32)),
        ),
    ]


def main() -> None:
    dtype = tf.as_dtype(FLAGS.precision)
    print(f"CPU milliseconds, {FLAGS.precision}\n| what | ours | alternative |\n|---|---|---|")

    def show(name, ours, theirs, tensors, measure):
        with compile_as("stretches"):
            ours, theirs = (measure(function, tensors, {}) for function in (ours, theirs))
        print(f"| {name} | {ours:.1f} | {theirs:.1f} |", flush=True)

    for name, ours, theirs, tensors in pairs(dtype):
        show(name, ours, theirs, tensors, stretches.cpu_milliseconds)
    logits = (tf.cast(tf.random.stateless_normal((SLOTS, VOCABULARY), (1, 2)), dtype),)
    name = "largest logit of each block, forward: in parts · XLA's maximum"
    show(name, maxima_in_parts, maxima_of_xla, logits, stretches.forward_milliseconds)


if __name__ == "__main__":
    cli.run(main)
