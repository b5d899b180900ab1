"""The parameters and FLOPs of the operations that all layers are made of.

Only trainable parameters count.

A FLOP is one multiplication or one addition inside a contraction: the product of an m x k and a k x n
matrix has 2 m k n FLOPs, and each tap of a convolution counts in the same way. Dense layers, attention
scores, weighted sums of attention and of dynamic convolution, and the depthwise convolution count.
Biases, activations, softmax, LayerNorm, dropout and residual connections do not, because their speed
depends on memory and not on arithmetic. ELECTRA's own script adds them, which is about 1% at its sizes.

A training step has the FLOPs of three forward passes, because the backward pass computes a gradient for
both operands of every contraction. ELECTRA's script counts the backward pass as one forward pass.
"""


def dense_parameters(inputs: int, outputs: int) -> int:
    """Parameters of a dense layer: its weight matrix and its bias."""
    return inputs * outputs + outputs


def dense_flops(inputs: int, outputs: int) -> int:
    """FLOPs of a dense layer at one position."""
    return 2 * inputs * outputs


def layer_norm_parameters(width: int) -> int:
    """Parameters of a LayerNorm: its scale and its shift."""
    return 2 * width
