"""Quantises a model as the weights are that it is about to load.

Keras keeps the quantisation of a model in the model's configuration. KerasHub replaces that part of
the configuration when it loads a backbone alone, or in another precision. Therefore the seal of a weight
file records the quantisation too.
"""

from typing import Any

import keras

from lvbert_tf.errors import InputError
from lvbert_tf.layers.dense import Dense, quantization_config
from lvbert_tf.presets.weight_files import Quantization


def quantization_of(model: keras.Model) -> dict[str, str]:
    """The `Dense.quantization` of each quantised layer of a model, by the path of the layer."""
    forms = {layer.path: layer.quantization for layer in _dense_layers(model)}
    return {path: form for path, form in forms.items() if form is not None}


def refuse_quantized(model: keras.Model, path: object) -> None:
    """Refuses a model whose weights are stored in 8 or 4 bits where their values are wanted.

    Args:
      model: what was read.
      path: where it was read from, for the message.

    Raises:
      InputError: it has such weights.
    """
    forms = {form for form in quantization_of(model).values() if form.startswith("int")}
    if forms:
        raise InputError(
            f"{path} is quantised ({', '.join(sorted(forms))}), which keeps no weights to go on with;"
            " give the model that it was made from"
        )


def quantize_like(model: keras.Model, saved: Quantization) -> None:
    """Quantises those layers of a model that are quantised in the weights it is about to load.

    Args:
      model: the model, whose layers may be quantised already.
      saved: the quantisation of the weights, by the paths of the layers.

    Raises:
      InputError: a layer of the model is quantised differently from the weights, or the quantisation of
        the weights is unknown.
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
