"""Reads a preset that may be damaged, or made to do harm."""

import json
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import tensorflow as tf

from lvbert_tf.architecture.model_config import FIELDS, ModelConfig
from lvbert_tf.errors import InputError, reason
from lvbert_tf.presets.classes import check_config
from lvbert_tf.presets.weight_files import SUFFIX

_CONFIGS = ("config.json", "task.json", "preprocessor.json", "tokenizer.json")
_MOST_JSON = 64 << 20  # bytes; only the names of tags and labels can be long
# What Keras and TensorFlow raise depends on what they meet first in a damaged file.
_UNREADABLE = (
    *(OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError),
    *(MemoryError, tf.errors.OpError),
)


class FromPreset(Protocol):
    """A backbone, tokenizer, preprocessor or task of KerasHub's."""

    @classmethod
    def from_preset(cls, preset: str, **options: Any) -> Self: ...


Loaded = TypeVar("Loaded", bound=FromPreset)


def is_preset(directory: Path) -> bool:
    """Whether a directory holds a KerasHub preset, whether of our models or of others."""
    try:
        return "class_name" in _read_json(directory / "config.json")
    except (OSError, InputError):
        return False


def load_preset(kind: type[Loaded], directory: Path, **options: Any) -> Loaded:
    """Loads a backbone, task or tokenizer of this package without executing anything in the preset.

    Args:
      kind: the class to load.
      directory: the directory of the preset.
      **options: further arguments of `from_preset`.

    Raises:
      InputError: the preset is damaged, holds another kind of model, or links to or names a file outside
        it.
    """
    try:
        _check(directory)
        return kind.from_preset(str(directory), **options)
    except _UNREADABLE as error:
        message = str(error) if isinstance(error, InputError) else reason(error)
        message = message.removeprefix(f"{directory}/") or type(error).__name__
        raise InputError(f"{directory}: the preset cannot be read: {message}") from error


def _check(directory: Path) -> None:
    root = directory.resolve()
    for path in directory.rglob("*"):
        if not path.resolve().is_relative_to(root):
            raise InputError(
                f"{path} is a link to outside of the preset; put the file itself there"
            )
        if not path.is_file() and not path.is_dir():
            raise InputError(f"{path} is neither a file nor a directory")
    configs = {}
    for name in _CONFIGS:
        if (directory / name).exists():
            try:
                configs[name] = _read_json(directory / name)
                check_config(configs[name])
                if not isinstance(configs[name].get("config"), dict):
                    raise InputError("there is no configuration of a class in it")
            except InputError as error:
                raise InputError(f"{name}: {error}") from error
    _check_sizes(directory, configs)


def _check_sizes(directory: Path, configs: dict[str, dict]) -> None:
    """Refuses, before memory is allocated, configurations of more weights than the files have bytes for.

    Raises:
      InputError: naming both sizes.
    """
    given = configs["config.json"]["config"]
    try:
        model = ModelConfig.from_dict({name: given[name] for name in FIELDS if name in given})
    except InputError as error:
        raise InputError(f"config.json: {error}") from error
    classes = configs.get("task.json", {"config": {}})["config"].get("num_classes", 0)
    for config, weights, file in (
        ("config.json", model.num_parameters(), "model"),
        ("task.json", classes * model.hidden_dim, "task"),
    ):
        stored = sum(path.stat().st_size for path in directory.glob(f"{file}*{SUFFIX}"))
        if 2 * stored < weights:  # a weight takes at least half a byte: 4 bits
            raise InputError(
                f"{config} describes {weights:,} weights, but {file}{SUFFIX} has {stored:,} bytes"
            )


def _read_json(path: Path) -> dict[str, Any]:
    """Reads a file that holds one JSON object.

    Raises:
      OSError: the file does not exist or cannot be read.
      InputError: it is too large for a configuration, or holds something else.
    """
    if path.stat().st_size > _MOST_JSON or not path.is_file():
        raise InputError(f"not a file of at most {_MOST_JSON >> 20} MiB")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {reason(error)}") from error
    if not isinstance(value, dict):
        raise InputError("not a JSON object")
    return value
