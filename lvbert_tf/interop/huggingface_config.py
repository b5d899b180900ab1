"""`config.json` of Hugging Face's ELECTRA, and of our LV-BERT there, beside our `ModelConfig`."""

from collections.abc import Mapping
from typing import Any

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.errors import InputError
from lvbert_tf.interop.huggingface_formats import CLASSES, CODES, ELECTRA, LV_BERT, Code
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
_FIXED: dict[Code, dict[str, Any]] = {
    ELECTRA: {
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "add_cross_attention": False,
    },
    LV_BERT: {"layer_norm_eps": 1e-12, "kernel_size": 9},
}
_AUTO_CLASSES = {
    "AutoConfig": "configuration_lv_bert.LVBertConfig",
    **{
        f"AutoModel{suffix}": f"modeling_lv_bert.LVBert{suffix or 'Model'}"
        for suffix in ("", *dict.fromkeys(CLASSES.values()))
    },
}


def read_code(values: Mapping[str, Any], where: str) -> Code:
    """Whose model a config.json is of.

    Args:
        values: its content.
        where: its path, for messages.

    Raises:
        InputError: of neither ELECTRA nor LV-BERT.
    """
    expected = "expected a config.json of Hugging Face's, with model_type " + " or ".join(CODES)
    if "class_name" in values:
        raise InputError(f"{where} is of a KerasHub preset; {expected}; say --from preset")
    model_type = values.get("model_type")
    if model_type is None:
        raise InputError(f"{where} has no model_type; {expected}")
    if not isinstance(model_type, str) or model_type not in CODES:
        raise InputError(f"{where}: model_type is {model_type!r}; {expected}")
    return CODES[model_type]


def read_model_config(values: Mapping[str, Any], code: Code, where: str) -> ModelConfig:
    """The shape of an encoder from Hugging Face's configuration.

    Args:
        values: the content of config.json.
        code: whose it is.
        where: its path, for messages.

    Raises:
        InputError: sizes that are none, or arithmetic that we do not have.
    """
    for name, wanted in _FIXED[code].items():
        if values.get(name, wanted) != wanted:
            raise InputError(f"{where}: {name} is {values[name]!r}; only {wanted!r} can be read")
    sizes = {ours: values.get(theirs, default) for ours, theirs, default in _SIZES}
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


def make_model_config(
    backbone: LVBertBackbone, code: Code, kind: str, pad_id: int
) -> dict[str, Any]:
    """Hugging Face's configuration of one of our models, without what its head says.

    Args:
        backbone: its encoder; for ELECTRA's code the string is AF repeated.
        code: what is to compute it.
        kind: of the model.
        pad_id: of the vocabulary.
    """
    layers = LayerString.parse(backbone.layer_string)
    if code is ELECTRA:
        own: dict[str, Any] = {"num_hidden_layers": len(layers) // 2}
    else:
        own = {
            "auto_map": _AUTO_CLASSES,
            "layer_string": layers.letters,
            "mask_convolution_padding": backbone.mask_convolution_padding,
        }
    return {
        "architectures": [code.architecture(kind)],
        "model_type": code.model_type,
        **_FIXED[code],
        **{theirs: getattr(backbone, ours) for ours, theirs, _ in _SIZES},
        **own,
        "pad_token_id": pad_id,
        "tie_word_embeddings": True,
    }
