"""Exact parameter and FLOP counts of one encoder layer.

Parameters are the trainable ones, the layer's own LayerNorm included.

A FLOP is one multiplication or one addition inside a contraction: a product of an m x k with a
k x n matrix counts 2 m k n, a convolution tap likewise. Counted are dense layers, attention scores
and their weighted sums, the depthwise convolution and the dynamic convolution's weighted sums.
Biases, activations, softmax, LayerNorm, dropout and residuals are not: they are bound by memory,
not arithmetic. (ELECTRA's own script adds them, about 1% at its sizes, and takes the backward pass
to cost as much as the forward one.) Here a training step costs three forward passes, as the
backward pass computes a gradient for both operands of every contraction.
"""

KERNEL_SIZE = 9
"""Taps of the dynamic convolution (LV-BERT and ConvBERT)."""


def dense_parameters(inputs: int, outputs: int) -> int:
    """Kernel and bias of a dense layer."""
    return inputs * outputs + outputs


def dense_flops(inputs: int, outputs: int) -> int:
    """FLOPs of a dense layer at one position."""
    return 2 * inputs * outputs


def layer_norm_parameters(width: int) -> int:
    """Scale and shift."""
    return 2 * width


def layer_parameters(
    layer_type: str, hidden_dim: int, num_heads: int, intermediate_dim: int, kernel_size: int
) -> int:
    """Trainable parameters of one layer of type "C", "A" or "F"."""
    square = dense_parameters(hidden_dim, hidden_dim)
    if layer_type == "C":
        # value, gate and output; the separable convolution has one bias, after its pointwise part.
        separable = kernel_size * hidden_dim + square
        taps = dense_parameters(hidden_dim, num_heads * kernel_size)
        body = 3 * square + separable + taps
    elif layer_type == "A":
        body = 4 * square
    else:
        body = dense_parameters(hidden_dim, intermediate_dim) + dense_parameters(
            intermediate_dim, hidden_dim
        )
    return body + layer_norm_parameters(hidden_dim)


def layer_flops(
    layer_type: str,
    sequence_length: int,
    hidden_dim: int,
    num_heads: int,
    intermediate_dim: int,
    kernel_size: int,
) -> int:
    """Forward FLOPs of one layer of type "C", "A" or "F" over one sequence."""
    square = dense_flops(hidden_dim, hidden_dim)
    if layer_type == "C":
        taps = dense_flops(hidden_dim, num_heads * kernel_size)
        depthwise = weighted_sum = 2 * kernel_size * hidden_dim
        per_position = 4 * square + taps + depthwise + weighted_sum
    elif layer_type == "A":
        scores = weighted_sum = 2 * sequence_length * hidden_dim
        per_position = 4 * square + scores + weighted_sum
    else:
        per_position = 2 * dense_flops(hidden_dim, intermediate_dim)
    return sequence_length * per_position
