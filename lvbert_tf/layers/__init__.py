"""Keras layers of layer-variety language models, one a file."""

from lvbert_tf.layers.dynamic_convolution import DynamicConvolution
from lvbert_tf.layers.embeddings import Embeddings
from lvbert_tf.layers.feed_forward import FeedForward
from lvbert_tf.layers.heads import MaskedLMHead, ReplacedTokenHead
from lvbert_tf.layers.layer_norm import LayerNorm
from lvbert_tf.layers.residual_block import ResidualBlock
from lvbert_tf.layers.self_attention import SelfAttention

__all__ = [
    "DynamicConvolution",
    "Embeddings",
    "FeedForward",
    "LayerNorm",
    "MaskedLMHead",
    "ReplacedTokenHead",
    "ResidualBlock",
    "SelfAttention",
]
