"""Which layers of an encoder can have a low-rank adapter (LoRA)."""

from collections.abc import Sequence

import keras

from lvbert_tf.errors import InputError
from lvbert_tf.layers.dense import Dense
from lvbert_tf.layers.merged_dense import MergedDense, Part


def adaptable_layers(model: keras.Model) -> list[Dense | Part]:
    """The dense layers; of those that are computed as one, the parts."""
    layers = model._flatten_layers(include_self=False)
    return [
        layer
        for layer in layers
        if isinstance(layer, (Dense, Part)) and not isinstance(layer, MergedDense)
    ]


def check_targets(model: keras.Model, rank: int, names: Sequence[str]) -> None:
    """Refuses adapters that the layers of these names could not have.

    Raises:
        InputError: see `LVBertBackbone.enable_lora`.
    """
    if type(rank) is not int or rank < 1:
        raise InputError(f"LoRA: rank {rank!r} is not a positive integer")
    layers = adaptable_layers(model)
    known = sorted({layer.name for layer in layers})
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        which = ", ".join(map(repr, unknown)) or "to adapt is named"
        raise InputError(f"LoRA: no layer {which}; target_layer_names are of {', '.join(known)}")
    for layer in layers:
        if layer.lora_enabled or layer.name in names:
            layer.check_lora()
