"""The mode of compilation: which form of a kernel runs, and what XLA compiles."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers.kernels import compilation
from lvbert_tf.layers.kernels.compilation import (
    Kernel,
    compile_as,
    compiled,
    compiled_without_gradient,
)


@Kernel
def scaled_exponential(x, *, scale):
    return scale * tf.exp(x)


@scaled_exponential.in_mode("stretches")
@compiled
def _scaled_exponential(x, *, scale):
    return tf.exp(x + tf.math.log(scale))


@compiled_without_gradient
def doubled_exponential(x):
    return 2.0 * tf.exp(x)


def traced(size=1 << 15):
    """(values, gradients, functions that XLA compiles) of a function that is traced anew."""

    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = scaled_exponential(x, scale=2.0)
        return y, doubled_exponential(x), tape.gradient(y, x)

    x = tf.linspace(-1.0, 1.0, size)
    function = step.get_concrete_function(x)
    library = function.graph.as_graph_def().library.function
    compiled_functions = [f for f in library if f.attr["_XlaMustCompile"].b]
    return [value.numpy() for value in function(x)], len(compiled_functions)


@pytest.mark.parametrize("mode", ["plain", "whole"])
def test_only_stretches_are_compiled_by_themselves(mode):
    expected, count = traced()
    assert count == 3  # two forward, one backward
    with compile_as(mode):
        values, count = traced()
        with compile_as("stretches"):
            pass
        assert traced()[1] == 0  # an inner context does not end the outer one
    assert count == 0
    for value, other in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-5)
    assert traced()[1] == 3


def test_small_stretches_are_fused_but_not_compiled(monkeypatch):
    monkeypatch.setattr(compilation, "SMALLEST_COMPILED", 64)
    assert traced(64)[1] == 3
    (value, *_), count = traced(32)
    assert count == 0
    x = tf.linspace(-1.0, 1.0, 32)
    np.testing.assert_array_equal(value, tf.exp(x + tf.math.log(2.0)))


def test_a_mode_is_of_its_own_thread():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(traced).result()[1] == 0
    assert traced()[1] == 3


def test_an_error_inside_ends_the_context():
    with pytest.raises(ZeroDivisionError), compile_as("plain"):
        1 / 0  # noqa: B018
    assert traced()[1] == 3
