"""The layer types: the one table of their letters, codes, names, parameters and FLOPs.

A layer type is a row of `LAYER_TYPES`. Whatever else differs from type to type stands in a dictionary
with the same letters, beside the code that uses it: the Keras layers in `models/parts.py`, and the names
in other checkpoints in `interop/`. A letter that such a dictionary lacks raises an error; it is never
taken for another type. docs/architecture.md shows how to add a type.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lvbert_tf.architecture.costs import dense_flops, dense_parameters

KERNEL_SIZE = 9
"""Taps of the dynamic convolution (LV-BERT and ConvBERT)."""

DIRECTIONS = ("both", "left_to_right", "right_to_left")
"""Where a position may look: to both sides, or only to itself and what is before it or after it."""


@dataclass(frozen=True)
class Widths:
    """The sizes that the cost of a layer depends on.

    Args:
      hidden_dim: the width of the layer's input and output.
      num_heads: the heads of attention and of dynamic convolution.
      intermediate_dim: the inner width of a feed-forward layer.
    """

    hidden_dim: int
    num_heads: int
    intermediate_dim: int


@dataclass(frozen=True)
class LayerType:
    """One kind of layer that a layer string may hold.

    Args:
      letter: the upper-case letter of the type in a layer string.
      code: the number of the type in the reference's `custom_layer_list`.
      name: what the layer is called in messages and reports.
      parameters: gives the trainable parameters of one layer without its LayerNorm.
      flops: gives the FLOPs of one forward pass of the layer over one sequence of a length in tokens.
    """

    letter: str
    code: int
    name: str
    parameters: Callable[[Widths], int]
    flops: Callable[[Widths, int], int]


def _convolution_parameters(widths: Widths) -> int:
    square = dense_parameters(widths.hidden_dim, widths.hidden_dim)
    # The separable convolution has one bias, after its pointwise part.
    separable = KERNEL_SIZE * widths.hidden_dim + square
    taps = dense_parameters(widths.hidden_dim, widths.num_heads * KERNEL_SIZE)
    value_gate_and_output = 3 * square
    return value_gate_and_output + separable + taps


def _convolution_flops(widths: Widths, length: int) -> int:
    square = dense_flops(widths.hidden_dim, widths.hidden_dim)
    taps = dense_flops(widths.hidden_dim, widths.num_heads * KERNEL_SIZE)
    depthwise = weighted_sum = 2 * KERNEL_SIZE * widths.hidden_dim
    value_gate_pointwise_and_output = 4 * square
    return length * (value_gate_pointwise_and_output + taps + depthwise + weighted_sum)


def _attention_parameters(widths: Widths) -> int:
    return 4 * dense_parameters(widths.hidden_dim, widths.hidden_dim)


def _attention_flops(widths: Widths, length: int) -> int:
    scores = weighted_sum = 2 * length * widths.hidden_dim
    query_key_value_and_output = 4 * dense_flops(widths.hidden_dim, widths.hidden_dim)
    return length * (query_key_value_and_output + scores + weighted_sum)


def _feed_forward_parameters(widths: Widths) -> int:
    hidden, intermediate = widths.hidden_dim, widths.intermediate_dim
    return dense_parameters(hidden, intermediate) + dense_parameters(intermediate, hidden)


def _feed_forward_flops(widths: Widths, length: int) -> int:
    return length * 2 * dense_flops(widths.hidden_dim, widths.intermediate_dim)


LAYER_TYPES: dict[str, LayerType] = {
    row.letter: row
    for row in (
        LayerType("C", 0, "dynamic convolution", _convolution_parameters, _convolution_flops),
        LayerType("A", 1, "self-attention", _attention_parameters, _attention_flops),
        LayerType("F", 2, "feed-forward", _feed_forward_parameters, _feed_forward_flops),
    )
}
"""Every layer type by its letter, in the order of the reference's codes."""


def letters() -> str:
    """The letters of all layer types, in the order of the reference's codes: "CAF"."""
    return "".join(LAYER_TYPES)


def legal_codes() -> str:
    """Every way to write a layer type, for messages: "C or 0 (dynamic convolution), ..."."""
    return ", ".join(f"{row.letter} or {row.code} ({row.name})" for row in LAYER_TYPES.values())
