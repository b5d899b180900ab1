"""What encoders are made of, as a `ModelConfig` describes it."""

from collections.abc import Callable
from typing import Any

import keras

from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.layers import (
    DynamicConvolution,
    Embeddings,
    FeedForward,
    ResidualBlock,
    SelfAttention,
)
from lvbert_tf.layers.dense import Dense


def make_embeddings(config: ModelConfig, dtype=None) -> Embeddings:
    """Token, segment and position embeddings."""
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
    """The dense layer from the embeddings' width to the layers', where they differ."""
    if not config.has_projection:
        return None
    # The reference leaves this layer at TensorFlow's default initialiser, Glorot.
    return Dense(config.hidden_dim, dtype=dtype, name="embeddings_projection")


def make_block(
    layer_type: str, config: ModelConfig, name: str, direction: str = "both", dtype=None
) -> ResidualBlock:
    """One layer of a string, with its residual connection and LayerNorm.

    Args:
        layer_type: a key of `SUBLAYERS`: the letter of the layer in the string.
        config: widths, heads, dropout; its layer string plays no part.
        name: the block's.
        direction: "both", "left_to_right" or "right_to_left": where a position may look.
        dtype: Keras dtype policy.

    Raises:
        KeyError: the layer type has no layer.
    """
    return ResidualBlock(
        SUBLAYERS[layer_type](config, direction, dtype),
        config.hidden_dim,
        dropout=config.dropout,
        initializer_range=config.initializer_range,
        dtype=dtype,
        name=name,
    )


def _dynamic_convolution(config: ModelConfig, direction: str, dtype) -> DynamicConvolution:
    return DynamicConvolution(
        config.hidden_dim,
        config.num_heads,
        mask_padding=config.mask_convolution_padding,
        direction=direction,
        initializer_range=config.initializer_range,
        dtype=dtype,
        name="dynamic_convolution",
    )


def _self_attention(config: ModelConfig, direction: str, dtype) -> SelfAttention:
    return SelfAttention(
        config.hidden_dim,
        config.num_heads,
        dropout=config.attention_dropout,
        direction=direction,
        initializer_range=config.initializer_range,
        dtype=dtype,
        name="self_attention",
    )


def _feed_forward(config: ModelConfig, direction: str, dtype) -> FeedForward:
    del direction  # every position is computed by itself
    return FeedForward(
        config.hidden_dim,
        config.intermediate_dim,
        initializer_range=config.initializer_range,
        dtype=dtype,
        name="feed_forward",
    )


SUBLAYERS: dict[str, Callable[[ModelConfig, str, Any], keras.layers.Layer]] = {
    "C": _dynamic_convolution,
    "A": _self_attention,
    "F": _feed_forward,
}
"""For each letter of the table of layer types, what makes the layer inside a block, from the encoder's
configuration, the direction in which a position may look, and a Keras dtype policy."""
