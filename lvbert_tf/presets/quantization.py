"""How the weights in a file are quantised, and a model that is to take them.

Keras keeps it in the configuration of a model; but KerasHub replaces that where it loads a backbone by
itself, or in another precision. So the seal of a file says it too.
"""

from typing import Any

import keras

from lvbert_tf.errors import InputError
from lvbert_tf.layers.dense import Dense, quantization_config
from lvbert_tf.presets.weight_files import Quantization


def quantization_of(model: keras.Model) -> dict[str, str]:
    """`Dense.quantization` of the layers of a model that are quantised, by their paths."""
    forms = {layer.path: layer.quantization for layer in _dense_layers(model)}
    return {path: form for path, form in forms.items() if form is not None}


def quantize_like(model: keras.Model, saved: Quantization) -> None:
    """Quantises what is not quantised in a model, but is in the weights that it is to load.

    Raises:
      InputError: it is quantised otherwise than they are, or what they say of it is not known.
    """
    present = quantization_of(model)
    wanted = {layer.path: saved.get(layer.path) for layer in _dense_layers(model)}
    for path, form in present.items():
        if wanted[path] != form:
            raise InputError(f"{path} is {wanted[path] or 'not quantised'}, not {form}")
    missing = {path: form for path, form in wanted.items() if form and path not in present}
    for form in sorted(set(missing.values())):
        _quantize(model, form, {path for path in missing if missing[path] == form})


def _quantize(model: keras.Model, form: str, paths: set[str]) -> None:
    model.quantize(config=quantization_config(form), filters=lambda layer: layer.path in paths)


def _dense_layers(model: Any) -> list[Dense]:
    return [layer for layer in model._flatten_layers() if isinstance(layer, Dense)]
