"""The reference's hparams that build an encoder."""

from typing import Any

from lvbert_tf.architecture.model_config import BERT_NAMES, ModelConfig
from lvbert_tf.hparams import hparam_fields
from lvbert_tf.settings.model_overrides import ModelOverrides


def encoder_hparams(config: ModelConfig) -> dict[str, Any]:
    """The hparams of an encoder's sizes and dropout rates, without those of its layers."""
    hparams = {theirs: getattr(config, ours) for ours, theirs in BERT_NAMES.items()}
    overrides = {
        name: hparams.pop(name) for name in hparam_fields(ModelOverrides) if name in hparams
    }
    return {
        **hparams,
        "max_seq_length": min(128, config.max_sequence_length),
        "model_hparam_overrides": overrides,
    }
