"""The classes that a preset may hold, and the checks of their configurations and weights."""

import functools
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import keras

from lvbert_tf.architecture.model_config import WEIGHT_FIELDS
from lvbert_tf.errors import InputError
from lvbert_tf.presets import compact, weight_files
from lvbert_tf.presets.quantization import quantization_of, quantize_like
from lvbert_tf.presets.shipped import located

_PACKAGE = "lvbert_tf"
_POLICIES = (
    *("DTypePolicy", "DTypePolicyMap", "QuantizedDTypePolicy", "QuantizedFloat8DTypePolicy"),
    "Int4DTypePolicy",
)
_registered: set[str] = set()


def register_preset_classes(*classes: type) -> None:
    """Registers classes with Keras, so that presets may hold them, and guards how they are loaded.

    From then on a class, also where KerasHub's own `from_preset` makes it, refuses configurations that
    name other classes (`check_config`). A model also seals each file of weights that it saves, and loads
    only weights of its own architecture (`weight_files`, `compact`). The `from_preset` of a class
    knows the presets that come with this package by name (`shipped`).

    Args:
      *classes: backbones, tasks, preprocessors and tokenizers of KerasHub's. A model is one that has a
        `ModelConfig` as `config`, or has such a model as `backbone`.
    """
    for cls in classes:
        keras.saving.register_keras_serializable(package=_PACKAGE)(cls)
        _registered.add(f"{_PACKAGE}>{cls.__name__}")
        _guard(cls)


def _guard(cls: Any) -> None:
    methods: dict[str, Any] = {
        "from_config": _checking_config(cls),
        "from_preset": _knowing_names(cls),
    }
    if issubclass(cls, keras.Model):
        for kind in ("weights", "task_weights"):
            if hasattr(cls, f"load_{kind}"):
                methods[f"save_{kind}"] = _sealing(getattr(cls, f"save_{kind}"))
                methods[f"load_{kind}"] = _checking_weights(kind, getattr(cls, f"load_{kind}"))
    for name, method in methods.items():
        setattr(cls, name, method)


def check_config(config: Any) -> None:
    """Refuses a configuration that would make Keras build, call or read anything that is not ours.

    A configuration may name the registered classes of this package, Keras's dtype policies, and
    functions that the running program itself has registered.

    Args:
      config: the content of one of a preset's JSON files, or a part of it.

    Raises:
      InputError: naming the class or the file that is not allowed.
    """
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "class_name" in value and not _is_allowed(value):
                name = value.get("registered_name") or value["class_name"]
                module = value.get("module")
                raise InputError(
                    f"it holds {name!r} of {module!r}, but a preset may only hold LVBert classes"
                )
            file = value.get("config_file")
            if file is not None and (not isinstance(file, str) or PurePath(file).name != file):
                raise InputError(f"config_file {file!r} is not the name of a file in the preset")
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value


def _is_allowed(value: dict[str, Any]) -> bool:
    class_name, registered = value["class_name"], value.get("registered_name")
    if class_name == "function":
        function = keras.saving.get_registered_object(registered or value.get("config"))
        return callable(function) and not isinstance(function, type)
    if class_name in _POLICIES:
        return value.get("module") in ("keras", "keras.dtype_policies") and registered in (
            *(None, class_name),
        )
    return registered in _registered and registered == f"{_PACKAGE}>{class_name}"


def _architecture_of(model: Any) -> dict[str, Any]:
    """What makes the weights of one encoder useless to another, as JSON types."""
    return getattr(model, "backbone", model).config.to_dict(WEIGHT_FIELDS)


def _checking_config(cls: Any) -> classmethod:
    inherited = cls.from_config.__func__

    @functools.wraps(inherited)
    def from_config(cls, config):
        check_config(config)
        return inherited(cls, config)

    return classmethod(from_config)


def _knowing_names(cls: Any) -> classmethod:
    inherited = cls.from_preset.__func__

    @functools.wraps(inherited)
    def from_preset(cls, preset, *arguments, **options):
        return inherited(cls, str(located(preset)), *arguments, **options)

    return classmethod(from_preset)


def _sealing(save: Callable) -> Callable:
    @functools.wraps(save)
    def sealing(self, filepath, *arguments, **options):
        save(self, filepath, *arguments, **options)
        if weight_files.is_weight_file(filepath):
            weight_files.seal(filepath, _architecture_of(self), quantization_of(self))

    return sealing


def _checking_weights(kind: str, load: Callable) -> Callable:
    @functools.wraps(load)
    def checking(self, filepath, skip_mismatch=False, **options):
        compact_file = compact.listed_file(filepath)
        if compact_file is not None and not hasattr(self, "backbone") and not skip_mismatch:
            return _load_encoder(self, compact_file)
        if weight_files.is_weight_file(filepath):
            weight_files.check(filepath, None if skip_mismatch else _architecture_of(self))
            saved = weight_files.quantization(filepath)
            if saved is not None and kind == "weights" and not skip_mismatch:
                try:
                    quantize_like(self, saved)
                except InputError as error:
                    raise InputError(f"{filepath} has weights of another model: {error}") from error
        if skip_mismatch:
            options["skip_mismatch"] = True
        return load(self, filepath, **options)

    return checking


def _load_encoder(encoder: keras.Model, file: Path) -> None:
    """Loads the encoder's weights from a file of all networks."""
    stored = compact.read_networks(file)
    differing = weight_files.differences(stored.seal.architecture, _architecture_of(encoder))
    if differing:
        raise InputError(f"{file} has weights of another model: {'; '.join(differing)}")
    try:
        quantize_like(encoder, {})
    except InputError as error:
        raise InputError(f"{file} has weights of another model: {error}") from error
    if any(weight.name.startswith("lora_") for weight in encoder.weights):
        raise InputError(f"{file} is loaded into an encoder before it gets adapters (LoRA)")
    name = functools.partial(compact.weight_name, compact.ENCODER, encoder)
    variables = {name(weight): weight for weight in encoder.weights}
    compact.assign_weights(variables, stored.weights, file)
