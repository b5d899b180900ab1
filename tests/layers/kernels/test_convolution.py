"""The kernels of dynamic convolution: fused forms against the formulas."""

import pytest
import tensorflow as tf

from lvbert_tf.layers.kernels import (
    average_over_window,
    depthwise_convolution,
    softmax_over_taps,
)

TAPS, HEADS = 9, 2
BOTH_TYPES = pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
SHAPES = pytest.mark.parametrize("shape", [(2, 12, 16), (1, 3, 6)])


@BOTH_TYPES
@SHAPES
def test_depthwise_convolution(forms_agree, normal, dtype, shape):
    batch, length, width = shape
    padded, kernel = normal(batch, length + TAPS - 1, width), normal(TAPS, width)
    forms_agree(depthwise_convolution, dtype, padded, kernel, wide=(1,))


@BOTH_TYPES
@SHAPES
def test_softmax_over_taps(forms_agree, normal, dtype, shape):
    batch, length, _ = shape
    logits, bias = normal(batch, length, HEADS * TAPS), normal(HEADS * TAPS)
    forms_agree(softmax_over_taps, dtype, logits, bias, wide=(1,), num_heads=HEADS)


@BOTH_TYPES
@SHAPES
def test_average_over_window(forms_agree, normal, dtype, shape):
    batch, length, width = shape
    weights = normal(batch, length, HEADS, TAPS)
    value = normal(batch, length + TAPS - 1, HEADS, width // HEADS)
    forms_agree(average_over_window, dtype, weights, value)


@pytest.mark.parametrize(
    ("kernel", "length"),
    [(depthwise_convolution, 12), (average_over_window, 12), (average_over_window, None)],
)
def test_slices_have_constant_ends(kernel, length):
    """XLA would compile a supernet's step anew each time if its branches computed the slices.

    Of an exported model, whose length is unknown, engines would compute the ends in every call.
    """
    width, padded = 16, length and length + TAPS - 1
    shapes = {
        depthwise_convolution: [(2, padded, width), (TAPS, width)],
        average_over_window: [(2, length, HEADS, TAPS), (2, padded, HEADS, width)],
    }[kernel]
    graph = tf.function(kernel.plain).get_concrete_function(*map(tf.TensorSpec, shapes)).graph
    bounds = [
        bound.op.type
        for operation in graph.get_operations()
        if operation.type == "StridedSlice"
        for bound in operation.inputs[1:]
    ]
    assert set(bounds) == {"Const"}
