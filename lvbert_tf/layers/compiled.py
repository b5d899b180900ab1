"""Element-wise stretches of a training step, each compiled by XLA into one pass over memory.

On CPUs TensorFlow runs every element-wise operation as a pass of its own over memory; joining them saves
a tenth of a training step (docs/performance.md). Compiling the whole 24-layer step
would take minutes; compiling only what lies between two matrix products takes a fraction of a second
for each shape. Inside a step that is itself compiled (TPU, `jit_compile`) the stretches are inlined.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator

import tensorflow as tf

# Below, a stretch takes microseconds in any form and is not worth the compiler's time.
SMALLEST_COMPILED = 1 << 15  # elements of the largest argument

# Of the process and not of the thread: replicas are traced in threads of their own.
_kernels_are_plain = False


@contextlib.contextmanager
def plain_kernels() -> Iterator[None]:
    """Leaves whatever is traced inside the context to TensorFlow's plain operations.

    It shows what compiling the stretches is worth, and whether a wrong result is the compiler's. A
    function that was traced before stays as it is.
    """
    global _kernels_are_plain
    outer, _kernels_are_plain = _kernels_are_plain, True
    try:
        yield
    finally:
        _kernels_are_plain = outer


def _stays_plain(tensors) -> bool:
    """Whether a training step should not compile a stretch of these tensors."""
    if _kernels_are_plain:
        return True
    sizes = [tensor.shape.num_elements() for tensor in tensors]
    return None not in sizes and max(sizes) < SMALLEST_COMPILED


def _local(tensors):
    """The tensors as ones of the graph that is being built.

    In the gradient of a conditional they may come from its branch. TensorFlow fetches them from there
    by one protocol inside a call that XLA compiles and by another outside, and loses those that
    change between the two.
    """
    return [tf.identity(tensor) for tensor in tensors]


def compiled_without_gradient(function: Callable) -> Callable:
    """Makes `function(*tensors, **constants)` compiled in training and plain otherwise.

    The result is called as `f(*tensors, training=..., **constants)`. In inference it is `function`
    itself, so that an exported model needs no compiler.

    Args:
        function: of tensors; returns a tensor or a tuple. Its numbers and flags are keyword
            arguments.
    """
    merged = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*tensors, training, **constants):
        plain = not training or _stays_plain(tensors)
        return (function if plain else merged)(*tensors, **constants)

    return call


def compiled(function: Callable) -> Callable:
    """As `compiled_without_gradient`, and differentiable: both directions are compiled.

    The backward pass computes the forward pass again from the arguments: that is cheaper than
    storing and reading what lies between.

    Args:
        function: as above; floating-point tensors get gradients.
    """
    forward = tf.function(function, jit_compile=True, autograph=False)

    @functools.partial(tf.function, jit_compile=True, autograph=False)
    def backward(tensors, upstream, constants):
        floating = [tensor for tensor in tensors if tensor.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(floating)
            outputs = function(*tensors, **constants)
        return tape.gradient(outputs, floating, upstream)

    @functools.wraps(function)
    def call(*arguments, training, **constants):
        tensors = [tf.convert_to_tensor(argument) for argument in arguments]
        if not training or _stays_plain(tensors):
            return function(*tensors, **constants)

        @tf.custom_gradient
        def apply(*tensors):
            def gradient(*upstream):
                gradients = iter(backward(_local(tensors), upstream, constants))
                return [next(gradients) if t.dtype.is_floating else None for t in tensors]

            return forward(*_local(tensors), **constants), gradient

        return apply(*tensors)

    return call
