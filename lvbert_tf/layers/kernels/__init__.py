"""What layers compute around their products with weights: kernels, in plain and in other forms.

`compilation.py` explains which form runs when. Layers only call kernels and do not choose the form.
"""

from lvbert_tf.layers.kernels.attention import attend, project_to_heads, split_into_heads
from lvbert_tf.layers.kernels.compilation import Compilation, compile_as
from lvbert_tf.layers.kernels.convolution import (
    average_over_window,
    depthwise_convolution,
    softmax_over_taps,
)
from lvbert_tf.layers.kernels.dropout_mask import Draw, dropped, keep_mask, keep_scale
from lvbert_tf.layers.kernels.elementwise import (
    add_norm,
    bias_gelu,
    gated_linear_unit,
    gelu_product,
    layer_norm,
    masked_softmax,
)
from lvbert_tf.layers.kernels.rows import add_bias

__all__ = [
    "Compilation",
    "Draw",
    "add_bias",
    "add_norm",
    "attend",
    "average_over_window",
    "bias_gelu",
    "compile_as",
    "depthwise_convolution",
    "dropped",
    "gated_linear_unit",
    "gelu_product",
    "keep_mask",
    "keep_scale",
    "layer_norm",
    "masked_softmax",
    "project_to_heads",
    "softmax_over_taps",
    "split_into_heads",
]
