"""What compiling a stretch of element-wise operations saves, stretch by stretch.

    python -m benchmarks.stretches --precision bfloat16

Prints the CPU time (over all cores, so that a busy machine matters little) of each stretch of
LV-BERT-small at batch 32 and length 128: forward and backward, compiled as in training, and as plain
TensorFlow operations.
"""

import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from absl import flags

from lvbert_tf import cli
from lvbert_tf.layers import dynamic_convolution, gelu, residual_block, self_attention

FLAGS = flags.FLAGS
flags.DEFINE_enum("precision", "float32", ["float32", "bfloat16"], "Of the activations.")
flags.DEFINE_integer("repeats", 15, "Measurements, of which the median counts.", lower_bound=1)

BATCH, LENGTH, WIDTH, HEADS, TAPS = 32, 128, 256, 4, 9


def stretches(dtype: tf.DType) -> list[tuple[str, Callable, tuple, dict]]:
    """(name, function, tensors, constants) of each stretch."""

    def normal(*shape):
        return tf.cast(tf.random.stateless_normal(shape, (1, 2)), dtype)

    activations = (BATCH, LENGTH, WIDTH)
    scores = (BATCH, HEADS, LENGTH, LENGTH)
    norm = (tf.ones(WIDTH), tf.zeros(WIDTH))
    visible = tf.ones((BATCH, 1, 1, LENGTH), tf.int32)
    seed = tf.constant([3, 4], tf.uint32)
    return [
        (
            "bias, GELU",
            gelu.bias_gelu,
            (normal(BATCH, LENGTH, 4 * WIDTH), normal(4 * WIDTH)),
            {},
        ),
        (
            "bias, dropout, residual, LayerNorm",
            residual_block.dropout_add_norm,
            (normal(*activations), normal(WIDTH), normal(*activations), seed, *norm),
            {"rate": 0.1, "epsilon": 1e-12},
        ),
        (
            "mask, softmax, dropout",
            self_attention.softmax_dropout,
            (normal(*scores), visible, seed),
            {"scale": 0.125, "rate": 0.1},
        ),
        (
            "bias, gated linear unit",
            dynamic_convolution.gated_linear_unit,
            (
                normal(BATCH, LENGTH, 2, WIDTH),
                normal(2, WIDTH),
                tf.ones((BATCH, LENGTH), tf.int32),
            ),
            {"window": (4, 4)},
        ),
        (
            "average over a window",
            dynamic_convolution.average_over_window,
            (
                normal(BATCH, LENGTH, HEADS, TAPS),
                normal(BATCH, LENGTH + TAPS - 1, HEADS, WIDTH // HEADS),
            ),
            {},
        ),
    ]


def cpu_milliseconds(function: Callable, tensors: tuple, constants: dict, training: bool) -> float:
    """Median CPU time of one forward and backward pass."""

    @tf.function(autograph=False)
    def both(tensors, upstream):
        floating = [tensor for tensor in tensors if tensor.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(floating)
            outputs = function(*tensors, training=training, **constants)
        return outputs, tape.gradient(outputs, floating, upstream)

    upstream = tf.nest.map_structure(tf.identity, function(*tensors, training=False, **constants))
    return _milliseconds(lambda: both(tensors, upstream))


def forward_milliseconds(
    function: Callable, tensors: tuple, constants: dict, training: bool
) -> float:
    """Median CPU time of one forward pass."""

    @tf.function(autograph=False)
    def forward(tensors):
        return function(*tensors, training=training, **constants)

    return _milliseconds(lambda: forward(tensors))


def _milliseconds(run: Callable) -> float:
    run()
    seconds = []
    for _ in range(FLAGS.repeats):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return 1000 * statistics.median(seconds)


def main() -> None:
    print(f"CPU milliseconds, forward and backward, {FLAGS.precision}")
    print("| stretch | compiled | plain | ratio |\n|---|---|---|---|")
    for name, function, tensors, constants in stretches(tf.as_dtype(FLAGS.precision)):
        compiled, plain = (
            cpu_milliseconds(function, tensors, constants, training) for training in (True, False)
        )
        print(f"| {name} | {compiled:.1f} | {plain:.1f} | {plain / compiled:.1f} |", flush=True)


if __name__ == "__main__":
    cli.run(main)
