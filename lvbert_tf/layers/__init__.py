"""The Keras layers of encoders, one a file; `heads.py` and `span_head.py` have the heads.

A layer reads as its paper's formula. What is computed between its matrix products is in `kernels/`.
"""

from lvbert_tf.layers.dynamic_convolution import DynamicConvolution
from lvbert_tf.layers.embeddings import Embeddings
from lvbert_tf.layers.feed_forward import FeedForward
from lvbert_tf.layers.layer_norm import LayerNorm
from lvbert_tf.layers.residual_block import ResidualBlock
from lvbert_tf.layers.self_attention import SelfAttention

__all__ = [
    "DynamicConvolution",
    "Embeddings",
    "FeedForward",
    "LayerNorm",
    "ResidualBlock",
    "SelfAttention",
]
