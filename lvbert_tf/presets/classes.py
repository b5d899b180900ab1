"""The classes that presets may hold, and what their configurations may say."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import keras

from lvbert_tf.errors import InputError
from lvbert_tf.presets import weight_files
from lvbert_tf.presets.quantization import quantization_of, quantize_like

_PACKAGE = "lvbert_tf"
# What makes the weights of one encoder useless to another.
_ARCHITECTURE = (
    *("layer_string", "vocabulary_size", "hidden_dim", "num_heads", "intermediate_dim"),
    *("embedding_dim", "max_sequence_length", "num_segments"),
)
_POLICIES = (
    *("DTypePolicy", "DTypePolicyMap", "QuantizedDTypePolicy", "QuantizedFloat8DTypePolicy"),
    "Int4DTypePolicy",
)
_registered: set[str] = set()

Class = TypeVar("Class", bound=type)


def preset_class(cls: Class) -> Class:
    """Class decorator: presets may hold this class, and what they say of it is checked.

    Registers it with Keras. It, or anything that KerasHub's own `from_preset` makes of it, then refuses
    configurations with foreign classes (`check_config`), and, if it is a model, seals the weights that
    it saves and loads only those of its own architecture (`weight_files`).
    """
    keras.saving.register_keras_serializable(package=_PACKAGE)(cls)
    _registered.add(f"{_PACKAGE}>{cls.__name__}")
    methods: dict[str, Any] = {"from_config": _checking_config(cls)}
    if issubclass(cls, keras.Model):
        for kind in ("weights", "task_weights"):
            if hasattr(cls, f"load_{kind}"):
                methods[f"save_{kind}"] = _sealing(getattr(cls, f"save_{kind}"))
                methods[f"load_{kind}"] = _checking_weights(kind, getattr(cls, f"load_{kind}"))
    for name, method in methods.items():
        setattr(cls, name, method)
    return cls


def check_config(config: Any) -> None:
    """Refuses a configuration that would make Keras build, call or read something else.

    Allowed are the classes of this package, Keras's dtype policies, and functions that the running
    program itself has registered.

    Raises:
      InputError: naming the class or the file.
    """
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "class_name" in value and not _is_allowed(value):
                name = value.get("registered_name") or value["class_name"]
                place = value.get("module")
                raise InputError(
                    f"it holds {name!r} of {place!r}, but a preset may only hold LVBert classes"
                )
            file = value.get("config_file")
            if file is not None and (not isinstance(file, str) or Path(file).name != file):
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
    backbone = getattr(model, "backbone", model)
    return {name: getattr(backbone, name) for name in _ARCHITECTURE}


def _checking_config(cls: Any) -> classmethod:
    inherited = cls.from_config.__func__

    @functools.wraps(inherited)
    def from_config(cls, config):
        check_config(config)
        return inherited(cls, config)

    return classmethod(from_config)


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
