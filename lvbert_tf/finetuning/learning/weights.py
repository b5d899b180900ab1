"""The weights of tasks' models: their names and fresh values."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from lvbert_tf.finetuning.objectives.objective import Objective
from lvbert_tf.models import LVBertBackbone


def weights_by_name(
    backbone: LVBertBackbone, objectives: Mapping[str, Objective]
) -> dict[str, keras.Variable]:
    """All weights by name, as `backbone.layer_3.layer_norm.gamma`, `cola.logits.bias`."""
    named = {}
    for weight in backbone.weights:
        path = weight.path.removeprefix(f"{backbone.name}/")
        named[f"backbone.{path.replace('/', '.')}"] = weight
    for name, objective in objectives.items():
        for layer in head_layers(objective.model, backbone):
            for weight in layer.weights:
                named[f"{name}.{weight.path.replace('/', '.')}"] = weight
    return named


def head_layers(model: keras.Model, backbone: LVBertBackbone) -> list[keras.layers.Layer]:
    """The layers of a task's model that have weights and do not belong to the encoder."""
    return [layer for layer in model.layers if layer is not backbone and layer.weights]


def fresh_values(layer: keras.layers.Layer) -> list[np.ndarray]:
    """New random values for a layer's weights, in their order, from Keras's current seed."""
    fresh = type(layer).from_config(layer.get_config())
    if not fresh.built:
        fresh.build_from_config(layer.get_build_config())
    return [weight.numpy() for weight in fresh.weights]


def assign(weights: Sequence[keras.Variable], values: Sequence[np.ndarray]) -> None:
    """Sets weights to values, one for each."""
    for weight, value in zip(weights, values, strict=True):
        weight.assign(value)
