"""What the fused forms of the kernels save, kernel by kernel.

    python -m benchmarks.stretches --precision bfloat16

Prints the CPU time (over all cores, so that a busy machine matters little) of each kernel of
LV-BERT-small at batch 32 and length 128: forward and backward, in the fused form that training on CPUs
runs and in the plain definition.
"""

import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from absl import flags

from lvbert_tf import cli
from lvbert_tf.layers import kernels
from lvbert_tf.layers.kernels import compile_as
from lvbert_tf.layers.kernels.compilation import Kernel

FLAGS = flags.FLAGS
flags.DEFINE_enum("precision", "float32", ["float32", "bfloat16"], "Of the activations.")
flags.DEFINE_integer("repeats", 15, "Measurements, of which the median counts.", lower_bound=1)

BATCH, LENGTH, WIDTH, HEADS, TAPS = 32, 128, 256, 4, 9


def cases(dtype: tf.DType) -> list[tuple[str, Kernel, tuple, dict]]:
    """(name, kernel, tensors, options) of each kernel."""

    def normal(*shape):
        return tf.cast(tf.random.stateless_normal(shape, (1, 2)), dtype)

    activations = (BATCH, LENGTH, WIDTH)
    padded = (BATCH, LENGTH + TAPS - 1)
    norm = (tf.ones(WIDTH), tf.zeros(WIDTH))
    visible = tf.ones((BATCH, 1, 1, LENGTH), tf.int32)
    mask = tf.ones((BATCH, LENGTH), tf.int32)
    draw = kernels.Draw(tf.constant([3, 4], tf.uint32), 0.1)
    return [
        (
            "bias, GELU",
            kernels.bias_gelu,
            (normal(BATCH, LENGTH, 4 * WIDTH), normal(4 * WIDTH)),
            {},
        ),
        (
            "bias, dropout, residual, LayerNorm",
            kernels.add_norm,
            (normal(*activations), normal(WIDTH), normal(*activations), *norm),
            {"epsilon": 1e-12, "draw": draw},
        ),
        ("LayerNorm", kernels.layer_norm, (normal(*activations), *norm), {"epsilon": 1e-12}),
        (
            "mask, softmax, dropout",
            kernels.masked_softmax,
            (normal(BATCH, HEADS, LENGTH, LENGTH), visible),
            {"scale": 0.125, "draw": draw},
        ),
        (
            "bias, gated linear unit",
            kernels.gated_linear_unit,
            (normal(BATCH, LENGTH, 2, WIDTH), normal(2, WIDTH), mask),
            {"window": (4, 4)},
        ),
        (
            "depthwise convolution",
            kernels.depthwise_convolution,
            (normal(*padded, WIDTH), tf.random.stateless_normal((TAPS, WIDTH), (1, 2))),
            {},
        ),
        (
            "softmax over taps",
            kernels.softmax_over_taps,
            (normal(BATCH, LENGTH, HEADS * TAPS), tf.zeros(HEADS * TAPS)),
            {"num_heads": HEADS},
        ),
        (
            "average over a window",
            kernels.average_over_window,
            (normal(BATCH, LENGTH, HEADS, TAPS), normal(*padded, HEADS, WIDTH // HEADS)),
            {},
        ),
    ]


def cpu_milliseconds(function: Callable, tensors: tuple, options: dict) -> float:
    """Median CPU time of one forward and backward pass."""

    @tf.function(autograph=False)
    def both(tensors, upstream):
        floating = [tensor for tensor in tensors if tensor.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(floating)
            outputs = function(*tensors, **options)
        return outputs, tape.gradient(outputs, floating, upstream)

    upstream = tf.nest.map_structure(tf.identity, function(*tensors, **options))
    return _milliseconds(lambda: both(tensors, upstream))


def forward_milliseconds(function: Callable, tensors: tuple, options: dict) -> float:
    """Median CPU time of one forward pass."""

    @tf.function(autograph=False)
    def forward(tensors):
        return function(*tensors, **options)

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
    print(f"CPU milliseconds, {FLAGS.precision}")
    print("| kernel | fused, both directions | plain | ratio | forward alone, fused | plain |")
    print("|---|---|---|---|---|---|")
    for name, kernel, tensors, options in cases(tf.as_dtype(FLAGS.precision)):
        with compile_as("stretches"):
            fused = cpu_milliseconds(kernel, tensors, options)
            forward = forward_milliseconds(kernel, tensors, options)
        plain = cpu_milliseconds(kernel, tensors, options)
        plain_forward = forward_milliseconds(kernel, tensors, options)
        ratio = f"{fused:.1f} | {plain:.1f} | {plain / fused:.1f}"
        print(f"| {name} | {ratio} | {forward:.1f} | {plain_forward:.1f} |", flush=True)


if __name__ == "__main__":
    cli.run(main)
