"""What encoders are made of, as a `ModelConfig` describes it."""

import keras

from lvbert_tf.layers import (
    DynamicConvolution,
    Embeddings,
    FeedForward,
    ResidualBlock,
    SelfAttention,
)
from lvbert_tf.model_config import ModelConfig


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


def make_projection(config: ModelConfig, dtype=None) -> keras.layers.Dense | None:
    """The dense layer from the embeddings' width to the layers', where they differ."""
    if not config.has_projection:
        return None
    # The reference leaves this layer at TensorFlow's default initialiser, Glorot.
    return keras.layers.Dense(config.hidden_dim, dtype=dtype, name="embeddings_projection")


def make_block(
    layer_type: str, config: ModelConfig, name: str, direction: str = "both", dtype=None
) -> ResidualBlock:
    """One layer of a string, with its residual connection and LayerNorm.

    Args:
        layer_type: "C", "A" or "F".
        config: widths, heads, dropout; its layer string plays no part.
        name: the block's.
        direction: "both", "left_to_right" or "right_to_left": where a position may look.
        dtype: Keras dtype policy.
    """
    return ResidualBlock(
        _make_sublayer(layer_type, config, direction, dtype),
        config.hidden_dim,
        dropout=config.dropout,
        initializer_range=config.initializer_range,
        dtype=dtype,
        name=name,
    )


def _make_sublayer(layer_type, config, direction, dtype) -> keras.layers.Layer:
    if layer_type == "C":
        return DynamicConvolution(
            config.hidden_dim,
            config.num_heads,
            mask_padding=config.mask_convolution_padding,
            direction=direction,
            initializer_range=config.initializer_range,
            dtype=dtype,
            name="dynamic_convolution",
        )
    if layer_type == "A":
        return SelfAttention(
            config.hidden_dim,
            config.num_heads,
            dropout=config.attention_dropout,
            direction=direction,
            initializer_range=config.initializer_range,
            dtype=dtype,
            name="self_attention",
        )
    return FeedForward(
        config.hidden_dim,
        config.intermediate_dim,
        initializer_range=config.initializer_range,
        dtype=dtype,
        name="feed_forward",
    )
