"""The layers that a `ModelConfig` describes: what the backbone and the supernet are built from."""

from collections.abc import Callable
from typing import Any

import keras

from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.layers.dense import Dense
from lvbert_tf.layers.dynamic_convolution import DynamicConvolution
from lvbert_tf.layers.embeddings import Embeddings
from lvbert_tf.layers.feed_forward import FeedForward
from lvbert_tf.layers.residual_block import ResidualBlock
from lvbert_tf.layers.self_attention import SelfAttention


def make_embeddings(config: ModelConfig, dtype=None) -> Embeddings:
    """The sum of token, segment and position embeddings, with LayerNorm and dropout."""
    return Embeddings(
        config.vocabulary_size,
        config.embedding_dim,
        max_sequence_length=config.max_sequence_length,
        num_segments=config.num_segments,
        dropout=config.dropout,
        initializer_range=config.initializer_range,
        dtype=dtype,
        name="embeddings",
    )


def make_projection(config: ModelConfig, dtype=None) -> Dense | None:
    """The dense layer from the embeddings' width to the layers'; None where they are equal."""
    if not config.has_projection:
        return None
    # The reference leaves this layer at TensorFlow's default initialiser, Glorot.
    return Dense(config.hidden_dim, dtype=dtype, name="embeddings_projection")


def make_block(layer_type: str, config: ModelConfig, name: str, dtype=None) -> ResidualBlock:
    """One layer of a string, with its residual connection and LayerNorm.

    Args:
        layer_type: a key of `SUBLAYERS`: the letter of the layer in a layer string.
        config: the encoder's configuration; its own layer string does not matter.
        name: the name of the block.
        dtype: a Keras dtype policy.

    Raises:
        KeyError: `SUBLAYERS` has no layer for the type.
    """
    return ResidualBlock(
        SUBLAYERS[layer_type](config, dtype),
        config.hidden_dim,
        dropout=config.dropout,
        initializer_range=config.initializer_range,
        dtype=dtype,
        name=name,
    )


def _dynamic_convolution(config: ModelConfig, dtype) -> DynamicConvolution:
    return DynamicConvolution(
        config.hidden_dim,
        config.num_heads,
        mask_padding=config.mask_convolution_padding,
        direction=config.direction,
        initializer_range=config.initializer_range,
        dtype=dtype,
        name="dynamic_convolution",
    )


def _self_attention(config: ModelConfig, dtype) -> SelfAttention:
    return SelfAttention(
        config.hidden_dim,
        config.num_heads,
        dropout=config.attention_dropout,
        direction=config.direction,
        initializer_range=config.initializer_range,
        dtype=dtype,
        name="self_attention",
    )


def _feed_forward(config: ModelConfig, dtype) -> FeedForward:
    return FeedForward(
        config.hidden_dim,
        config.intermediate_dim,
        initializer_range=config.initializer_range,
        dtype=dtype,
        name="feed_forward",
    )


SUBLAYERS: dict[str, Callable[[ModelConfig, Any], keras.layers.Layer]] = {
    "C": _dynamic_convolution,
    "A": _self_attention,
    "F": _feed_forward,
}
"""For each letter of the table of layer types, a function that makes the layer inside a block from the
encoder's configuration and a Keras dtype policy."""
