"""The gradients that TensorFlow's registry keeps: as long as their graphs, and no longer."""

import gc
import weakref

import tensorflow as tf
from tensorflow.python.framework import ops


def make_function():
    """A traced function with a `tf.custom_gradient` in a branch, in a loop."""

    @tf.custom_gradient
    def triple(x):
        return 3.0 * x, lambda upstream: 5.0 * upstream

    @tf.function(autograph=False)
    def traced(x):
        def body(step, y):
            return step + 1, tf.cond(y > 0, lambda: triple(y), lambda: y)

        return tf.while_loop(lambda step, _: step < 2, body, (0, x))[1]

    return traced


def slope(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return float(tape.gradient(y, x))


def test_a_gradient_stays_as_long_as_its_graph():
    kept, passing, x = make_function(), make_function(), tf.constant(2.0)
    assert slope(kept, x) == slope(passing, x) == 25
    graph = weakref.ref(passing.get_concrete_function(x).graph)
    before = len(list(ops.gradient_registry.list()))
    del passing
    gc.collect()
    assert graph() is None
    assert len(list(ops.gradient_registry.list())) < before
    # For another use of the function TensorFlow looks the gradient up again.
    again = tf.function(lambda x: tf.gradients(kept(x), x)[0], autograph=False)
    assert float(again(x)) == slope(tf.function(kept), x) == 25
