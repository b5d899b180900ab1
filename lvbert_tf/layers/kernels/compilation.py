"""The one switch: how a step is compiled, and which form of each kernel it runs.

A kernel has a plain definition, the formula in TensorFlow's own operations, and for some modes of
compilation another form. The forms compute the same, in fewer passes over memory, or on units that only
certain devices have. The modes are:

- `stretches`, for training and evaluation on CPUs: the fused forms. XLA compiles what lies between two
  matrix products, called a stretch here, into one loop. Without XLA, TensorFlow runs every element-wise
  operation as a pass of its own over memory, and a step of LV-BERT-small in bfloat16 takes 1.4 times
  as long (docs/performance.md). Compiling a stretch takes a fraction of a second for each shape;
  compiling a step of 24 layers as a whole takes minutes on a CPU.
- `whole`, for GPUs: XLA compiles the whole step. Most kernels run their plain definition, which the
  backward pass repeats.
- `tpu`: the same for TPUs, where other kernels have forms of their own than on GPUs.
- `plain`, for debugging, exports and all calls outside `compile_as`: the plain definitions, without XLA.

The code that starts a computation chooses the mode once (`training.distribution.compilation_of`), around
the call that is traced. No kernel and no layer asks which device there is.

A `Kernel` in this sense is no weight matrix; the kernels of `Dense` and of convolutions are weights.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops

Compilation = Literal["stretches", "whole", "tpu", "plain"]

# A stretch is compiled from this size of its largest argument, in elements. Smaller ones take
# microseconds in either form.
SMALLEST_COMPILED = 1 << 15

_active = threading.local()  # replicas of one process are traced in their own threads


@contextlib.contextmanager
def compile_as(mode: Compilation) -> Iterator[None]:
    """Sets the mode of compilation for everything that this thread traces inside the context.

    Take the gradient inside the same context, because gradients call kernels too. A function that was
    traced earlier keeps the mode in which it was traced.
    """
    outer = _mode()
    _active.mode = mode
    try:
        yield
    finally:
        _active.mode = outer


def _mode() -> Compilation:
    return getattr(_active, "mode", "plain")


class Kernel:
    """A function with a plain definition, and other forms that certain modes run instead.

    All take the same arguments: tensors by position, and options, a `Draw` among them, by name. Up to
    rounding they return the same values and have the same gradients. Arguments may be variables; a call
    converts them.

    Attributes:
        plain: the definition. In the modes that compile a whole step its backward pass repeats it; see
            `repeated_in_backward_pass`.
        forms: mode -> the form that it runs instead of the definition.
    """

    def __init__(self, plain: Callable[..., Any]):
        functools.update_wrapper(self, plain)
        self.plain = plain
        repeated = repeated_in_backward_pass(plain)
        self.forms: dict[str, Callable[..., Any]] = {"whole": repeated, "tpu": repeated}

    def in_mode(self, *modes: Compilation) -> Callable:
        """Makes a function the form of these modes; for use as a decorator."""

        def add(form: Callable[..., Any]) -> Callable[..., Any]:
            self.forms |= dict.fromkeys(modes, form)
            return form

        return add

    def __call__(self, *tensors: Any, **options: Any) -> Any:
        form = self.forms.get(_mode(), self.plain)
        return form(*map(tf.convert_to_tensor, tensors), **options)


def repeated_in_backward_pass(function: Callable) -> Callable:
    """The function with a backward pass that computes it again from its arguments, for XLA.

    What a forward pass leaves for the backward pass has to go through the memory of the chip. The
    arguments are kept in any case, and in 16 bits they are several times smaller than the intermediate
    values in float32.

    Args:
        function: takes tensors as positional arguments, and options by name; returns a tensor or a tuple
            of tensors. Its floating-point tensors get gradients.
    """
    name = function.__name__.strip("_")

    @functools.wraps(function)
    def call(*tensors, **options):
        @tf.custom_gradient
        def apply(*tensors):
            def gradient(*upstream):
                # Without the barrier XLA would merge the two equal computations, and so keep the
                # intermediate values.
                again = gen_xla_ops.xla_optimization_barrier(tensors)
                floating = [tensor for tensor in again if tensor.dtype.is_floating]
                with tf.name_scope(name):  # for profiles, which show no layer here
                    with tf.GradientTape() as tape:
                        tape.watch(floating)
                        outputs = function(*again, **options)
                    gradients = iter(tape.gradient(outputs, floating, list(upstream)))
                return [next(gradients) if t.dtype.is_floating else None for t in tensors]

            return function(*tensors, **options), gradient

        return apply(*_local(tensors))

    return call


def compiled_without_gradient(function: Callable) -> Callable:
    """Makes XLA compile a function in the mode `stretches`; in other modes it stays as it is.

    Do not differentiate it in that mode; callers stop the gradient. Calls with small tensors are not
    compiled.

    Args:
        function: takes tensors (no variables) as positional arguments, and numbers and flags by name;
            returns a tensor or a tuple of tensors.
    """
    in_one_loop = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*tensors, **options):
        return (in_one_loop if _is_stretch(tensors) else function)(*tensors, **options)

    return call


def compiled(function: Callable) -> Callable:
    """As `compiled_without_gradient`, with a gradient: XLA compiles the forward and the backward pass.

    The backward pass repeats the forward pass from the arguments. That is cheaper than to store
    intermediate values and read them back.

    Args:
        function: as for `repeated_in_backward_pass`.
    """
    forward = tf.function(function, jit_compile=True, autograph=False)

    @functools.partial(tf.function, jit_compile=True, autograph=False)
    def backward(tensors, upstream, options):
        floating = [tensor for tensor in tensors if tensor.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(floating)
            outputs = function(*tensors, **options)
        return tape.gradient(outputs, floating, upstream)

    @functools.wraps(function)
    def call(*arguments, **options):
        tensors = [tf.convert_to_tensor(argument) for argument in arguments]
        if not _is_stretch(tensors):
            return function(*tensors, **options)

        @tf.custom_gradient
        def apply(*tensors):
            def gradient(*upstream):
                gradients = iter(backward(_local(tensors), upstream, options))
                return [next(gradients) if t.dtype.is_floating else None for t in tensors]

            return forward(*_local(tensors), **options), gradient

        return apply(*tensors)

    return call


def _is_stretch(tensors) -> bool:
    """Whether XLA should compile a function of these tensors as a module of its own."""
    if _mode() != "stretches":
        return False
    sizes = [tensor.shape.num_elements() for tensor in tensors]
    return None in sizes or max(sizes) >= SMALLEST_COMPILED


def _local(tensors):
    """Copies of the tensors that belong to the graph that is being built.

    In a conditional's branch, TensorFlow loses a tensor from outside that is captured both by the
    gradient of one of these functions and by something else. `tf.identity` makes a copy that is local to
    the graph.
    """
    return [tf.identity(tensor) for tensor in tensors]
