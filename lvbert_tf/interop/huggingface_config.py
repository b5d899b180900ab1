"""Converts a `ModelConfig` to and from config.json of transformers, for ELECTRA and for LV-BERT."""

from collections.abc import Mapping
from typing import Any

from lvbert_tf.architecture.layer_types import KERNEL_SIZE
from lvbert_tf.architecture.model_config import BERT_NAMES, ModelConfig
from lvbert_tf.errors import InputError
from lvbert_tf.interop.huggingface_formats import CLASSES, CODES, ELECTRA, LV_BERT, Code

# What a config.json without one of these stands for, as Hugging Face's ElectraConfig does.
_DEFAULTS = {
    "vocab_size": 30522,
    "embedding_size": 128,
    "hidden_size": 256,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
}
# The settings that our models have no choice of, and the only values that we can compute.
_FIXED: dict[Code, dict[str, Any]] = {
    ELECTRA: {
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "add_cross_attention": False,
    },
    LV_BERT: {"layer_norm_eps": 1e-12, "kernel_size": KERNEL_SIZE},
}
_AUTO_CLASSES = {
    "AutoConfig": "configuration_lv_bert.LVBertConfig",
    **{
        f"AutoModel{suffix}": f"modeling_lv_bert.LVBert{suffix or 'Model'}"
        for suffix in ("", *dict.fromkeys(CLASSES.values()))
    },
}


def read_code(values: Mapping[str, Any], where: str) -> Code:
    """Reads from a config.json which code computes the model.

    Args:
        values: the content of config.json.
        where: its path, for messages.

    Raises:
        InputError: the model is neither ELECTRA's nor LV-BERT's.
    """
    expected = "expected a config.json of Hugging Face's, with model_type " + " or ".join(CODES)
    if "class_name" in values:
        raise InputError(f"{where} is of a KerasHub preset; {expected}; use --from preset")
    model_type = values.get("model_type")
    if model_type is None:
        raise InputError(f"{where} has no model_type; {expected}")
    if not isinstance(model_type, str) or model_type not in CODES:
        raise InputError(f"{where}: model_type is {model_type!r}; {expected}")
    return CODES[model_type]


def read_model_config(values: Mapping[str, Any], code: Code, where: str) -> ModelConfig:
    """Reads the shape of an encoder from a config.json.

    Args:
        values: the content of config.json.
        code: the code that computes the model.
        where: the path of config.json, for messages.

    Raises:
        InputError: a size is missing or not allowed, or the model computes something that ours do not.
    """
    for name, wanted in _FIXED[code].items():
        if values.get(name, wanted) != wanted:
            raise InputError(f"{where}: {name} is {values[name]!r}; only {wanted!r} can be read")
    sizes = {ours: values.get(theirs, _DEFAULTS[theirs]) for ours, theirs in BERT_NAMES.items()}
    if code is ELECTRA:
        layers = values.get("num_hidden_layers", 12)
        if type(layers) is not int or not 1 <= layers <= 1000:
            raise InputError(f"{where}: num_hidden_layers is {layers!r}; expected 1 to 1000")
        sizes["layer_string"] = "AF" * layers
    else:
        for name in ("layer_string", "mask_convolution_padding"):
            if name not in values:
                raise InputError(f"{where} has no {name}")
            sizes[name] = values[name]
    try:
        return ModelConfig.from_dict(sizes)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def make_model_config(config: ModelConfig, code: Code, kind: str, pad_id: int) -> dict[str, Any]:
    """Makes the content of config.json for one of our models, without the settings of its head.

    Args:
        config: the shape of the encoder. For ELECTRA's code its layers must be A and F in turn.
        code: the code that is to compute the model.
        kind: the kind of the model, a key of `CLASSES`.
        pad_id: the id of [PAD] in the vocabulary.
    """
    if code is ELECTRA:
        own: dict[str, Any] = {"num_hidden_layers": len(config.layer_string) // 2}
    else:
        own = {
            "auto_map": _AUTO_CLASSES,
            "layer_string": config.layer_string,
            "mask_convolution_padding": config.mask_convolution_padding,
        }
    return {
        "architectures": [code.architecture(kind)],
        "model_type": code.model_type,
        **_FIXED[code],
        **{theirs: getattr(config, ours) for ours, theirs in BERT_NAMES.items()},
        **own,
        "pad_token_id": pad_id,
        "tie_word_embeddings": True,
    }
