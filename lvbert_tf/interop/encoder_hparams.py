"""The hparams that build an encoder."""

from typing import Any

from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.models import LVBertBackbone


def encoder_hparams(encoder: LVBertBackbone | ModelConfig) -> dict[str, Any]:
    """The reference's hparams of an encoder's sizes and dropout; its layers are not among them."""
    return {
        "vocab_size": encoder.vocabulary_size,
        "embedding_size": encoder.embedding_dim,
        "max_seq_length": min(128, encoder.max_sequence_length),
        "model_hparam_overrides": {
            "hidden_size": encoder.hidden_dim,
            "num_attention_heads": encoder.num_heads,
            "intermediate_size": encoder.intermediate_dim,
            "hidden_dropout_prob": encoder.dropout,
            "attention_probs_dropout_prob": encoder.attention_dropout,
            "max_position_embeddings": encoder.max_sequence_length,
            "type_vocab_size": encoder.num_segments,
            "initializer_range": encoder.initializer_range,
        },
    }
