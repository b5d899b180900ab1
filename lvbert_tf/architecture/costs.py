"""What counts as a parameter and as a FLOP, for the operations that every layer is made of.

Parameters are the trainable ones.

A FLOP is one multiplication or one addition inside a contraction: a product of an m x k with a
k x n matrix counts 2 m k n, a convolution tap likewise. Counted are dense layers, attention scores
and their weighted sums, the depthwise convolution and the dynamic convolution's weighted sums.
Biases, activations, softmax, LayerNorm, dropout and residuals are not: they are bound by memory,
not arithmetic. (ELECTRA's own script adds them, about 1% at its sizes, and takes the backward pass
to cost as much as the forward one.) Here a training step costs three forward passes, as the
backward pass computes a gradient for both operands of every contraction.
"""


def dense_parameters(inputs: int, outputs: int) -> int:
    """Kernel and bias of a dense layer."""
    return inputs * outputs + outputs


def dense_flops(inputs: int, outputs: int) -> int:
    """FLOPs of a dense layer at one position."""
    return 2 * inputs * outputs


def layer_norm_parameters(width: int) -> int:
    """Scale and shift."""
    return 2 * width
