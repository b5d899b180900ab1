"""Converts the heads of fine-tuned models to and from the form that ELECTRA has in transformers.

`huggingface_heads` gives each layer of a head its own tensors. ELECTRA's classes differ for two heads:

A text classifier has a hidden layer with GELU. A linear head can be written as such a head, because
`gelu(x) - gelu(-x) = x`: the hidden layer computes x and -x for each logit x, and the last layer takes
their difference. This needs two units of the hidden layer for each class; the other units are zero.

In a model that answers questions one layer has two outputs, the logits of starts and of ends.
"""

from collections.abc import Mapping

import numpy as np

Tensors = dict[str, np.ndarray]

_HIDDEN, _LAST = "classifier.dense", "classifier.out_proj"
_SPANS = "qa_outputs"
_SPAN_LOGITS = ("span_head.start_logit", "span_head.end_logit")


def most_classes(hidden_dim: int) -> int:
    """The most classes with which a linear head can be written as ELECTRA's head."""
    return hidden_dim // 2


def pack_head(tensors: Mapping[str, np.ndarray]) -> Tensors:
    """Converts tensors for each layer to ELECTRA's tensors. Tensors of no head stay as they are."""
    packed = dict(tensors)
    for part in ("weight", "bias"):
        logits = [f"{name}.{part}" for name in _SPAN_LOGITS]
        if packed.keys() >= set(logits):
            packed[f"{_SPANS}.{part}"] = np.concatenate([packed.pop(name) for name in logits])
    if f"{_LAST}.weight" in packed and f"{_HIDDEN}.weight" not in packed:
        packed |= _with_hidden_layer(packed[f"{_LAST}.weight"], packed[f"{_LAST}.bias"])
    return packed


def unpack_head(tensors: Mapping[str, np.ndarray]) -> Tensors:
    """Converts ELECTRA's tensors to those for each layer. It inverts `pack_head` bit for bit."""
    unpacked = dict(tensors)
    for part in ("weight", "bias"):
        both = unpacked.get(f"{_SPANS}.{part}")
        if both is not None and both.shape[:1] == (len(_SPAN_LOGITS),):
            del unpacked[f"{_SPANS}.{part}"]
            for name, logit in zip(_SPAN_LOGITS, np.split(both, 2), strict=True):
                unpacked[f"{name}.{part}"] = logit
    linear = _linear_layer(unpacked)
    if linear:
        unpacked = {name: unpacked[name] for name in unpacked.keys() - _classifier_names()} | linear
    return unpacked


def _classifier_names() -> set[str]:
    return {f"{layer}.{part}" for layer in (_HIDDEN, _LAST) for part in ("weight", "bias")}


def _linear_layer(tensors: Mapping[str, np.ndarray]) -> Tensors:
    """The linear head that `pack_head` made a classifier from; empty if it was made in another way."""
    if not _classifier_names() <= tensors.keys():
        return {}
    hidden, last = tensors[f"{_HIDDEN}.weight"], tensors[f"{_LAST}.weight"]
    if hidden.ndim != 2 or last.ndim != 2 or len(last) > most_classes(len(hidden)):
        return {}
    classes = len(last)
    weight, bias = hidden[:classes], tensors[f"{_HIDDEN}.bias"][:classes]
    if not classes or hidden.shape != (hidden.shape[1],) * 2 or bias.shape != (classes,):
        return {}
    again = _with_hidden_layer(weight, bias)
    if not all(np.array_equal(value, tensors[name]) for name, value in again.items()):
        return {}
    return {f"{_LAST}.weight": weight, f"{_LAST}.bias": bias}


def _with_hidden_layer(weight: np.ndarray, bias: np.ndarray) -> Tensors:
    classes, width = weight.shape
    hidden, hidden_bias = np.zeros((width, width), np.float32), np.zeros(width, np.float32)
    hidden[: 2 * classes] = np.concatenate([weight, -weight])
    hidden_bias[: 2 * classes] = np.concatenate([bias, -bias])
    last = np.zeros((classes, width), np.float32)
    last[:, : 2 * classes] = np.concatenate([np.eye(classes), -np.eye(classes)], axis=1)
    return {
        f"{_HIDDEN}.weight": hidden,
        f"{_HIDDEN}.bias": hidden_bias,
        f"{_LAST}.weight": last,
        f"{_LAST}.bias": np.zeros(classes, np.float32),
    }
