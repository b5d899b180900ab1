"""`config.json` of Hugging Face's ELECTRA beside our `ModelConfig`."""

from collections.abc import Mapping
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.layer_string import LayerString
from lvbert_tf.model_config import ModelConfig
from lvbert_tf.models import LVBertBackbone

# Our name, theirs, and the value that a config.json without it stands for.
_SIZES = (
    ("vocabulary_size", "vocab_size", 30522),
    ("embedding_dim", "embedding_size", 128),
    ("hidden_dim", "hidden_size", 256),
    ("num_heads", "num_attention_heads", 4),
    ("intermediate_dim", "intermediate_size", 1024),
    ("dropout", "hidden_dropout_prob", 0.1),
    ("attention_dropout", "attention_probs_dropout_prob", 0.1),
    ("max_sequence_length", "max_position_embeddings", 512),
    ("num_segments", "type_vocab_size", 2),
    ("initializer_range", "initializer_range", 0.02),
)
# What we compute, and nothing else.
_FIXED = {
    "model_type": "electra",
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}


def read_model_config(values: Mapping[str, Any], where: str) -> ModelConfig:
    """The shape of an encoder from Hugging Face's configuration.

    Args:
        values: the content of config.json.
        where: its path, for messages.

    Raises:
        InputError: another kind of model, sizes that are none, or arithmetic that we do not have.
    """
    if values.get("model_type") is None:
        raise InputError(f"{where} has no model_type; expected a config.json of ELECTRA")
    for name, wanted in _FIXED.items():
        if values.get(name, wanted) != wanted:
            raise InputError(f"{where}: {name} is {values[name]!r}; only {wanted!r} can be read")
    layers = values.get("num_hidden_layers", 12)
    if type(layers) is not int or not 1 <= layers <= 1000:
        raise InputError(f"{where}: num_hidden_layers is {layers!r}; expected 1 to 1000")
    sizes = {ours: values.get(theirs, default) for ours, theirs, default in _SIZES}
    try:
        return ModelConfig.from_dict({"layer_string": "AF" * layers, **sizes})
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def make_model_config(backbone: LVBertBackbone, architecture: str, pad_id: int) -> dict[str, Any]:
    """Hugging Face's configuration of one of our encoders.

    Args:
        backbone: its string is AF repeated.
        architecture: the class in transformers, as `ElectraForPreTraining`.
        pad_id: of the vocabulary.
    """
    return {
        "architectures": [architecture],
        **_FIXED,
        **{theirs: getattr(backbone, ours) for ours, theirs, _ in _SIZES},
        "num_hidden_layers": len(LayerString.parse(backbone.layer_string)) // 2,
        "pad_token_id": pad_id,
        "tie_word_embeddings": True,
    }
