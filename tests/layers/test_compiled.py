"""Which stretches are compiled, and that the plain operations compute the same."""

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers.compiled import compiled, compiled_without_gradient, plain_kernels


@compiled
def scaled_exponential(x, *, scale):
    return scale * tf.exp(x)


@compiled_without_gradient
def doubled_exponential(x):
    return 2.0 * tf.exp(x)


def traced(training=True):
    """(values, gradients, functions that XLA compiles) of a function that is traced anew."""

    @tf.function(autograph=False)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = scaled_exponential(x, scale=2.0, training=training)
        same = doubled_exponential(x, training=training)
        return y, same, tape.gradient(y, x)

    x = tf.linspace(-1.0, 1.0, 1 << 15)
    function = step.get_concrete_function(x)
    library = function.graph.as_graph_def().library.function
    compiled_functions = [f for f in library if f.attr["_XlaMustCompile"].b]
    return [value.numpy() for value in function(x)], len(compiled_functions)


def test_plain_kernels_compile_nothing_and_compute_the_same():
    expected, count = traced()
    assert count == 3  # two forward, one backward
    with plain_kernels():
        values, count = traced()
        with plain_kernels():
            pass
        assert traced()[1] == 0  # an inner context does not end the outer one
    assert count == 0
    for value, other in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-5)
    assert traced()[1] == 3
    assert traced(training=False)[1] == 0


def test_an_error_inside_ends_the_context():
    with pytest.raises(ZeroDivisionError), plain_kernels():
        1 / 0  # noqa: B018
    assert traced()[1] == 3
