"""Reads a preset that may be damaged, or made to do harm."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import tensorflow as tf

from lvbert_tf.architecture.model_config import FIELDS, ModelConfig
from lvbert_tf.errors import InputError, reason
from lvbert_tf.io.bucket_directories import is_half_written, local_copy
from lvbert_tf.io.objects import StoreError
from lvbert_tf.io.sealed import read_sealed_json, write_sealed_json
from lvbert_tf.presets import compact
from lvbert_tf.presets.classes import check_config
from lvbert_tf.presets.weight_files import SUFFIX

_STAMP = (
    "step.json"  # beside the preset; the step of the weights, and the hashes of the other files
)
_METADATA = "metadata.json"  # KerasHub's: when the preset was saved, and by which versions
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
Stored = TypeVar("Stored")


def write_stamp(directory: Path, step: int, weights: str) -> None:
    """Writes down the step and the weights of a new preset, and what its files hold.

    Args:
      directory: the whole preset.
      step: the training step.
      weights: the fingerprint of the weights that were saved.
    """
    hashes = {name: _sha256(directory / name) for name in _files(directory)}
    write_sealed_json(directory / _STAMP, {"step": step, "weights": weights, "sha256": hashes})


def has_stamp(directory: Path, step: int, weights: str) -> bool:
    """Whether a directory holds the undamaged preset of a step and of weights."""
    try:
        stamp = read_sealed_json(directory / _STAMP)
        if (stamp["step"], stamp["weights"]) != (step, weights):
            return False
        with local_copy(directory) as local:
            return stamp["sha256"] == {name: _sha256(local / name) for name in _files(local)}
    except (InputError, KeyError):
        return False


def _files(directory: Path) -> list[str]:
    """The files of a preset whose content is the preset's."""
    paths = (path for path in directory.rglob("*") if path.is_file())
    names = (path.relative_to(directory).as_posix() for path in paths)
    return sorted(name for name in names if name not in (_STAMP, _METADATA) and name[0] != ".")


def _changed(directory: Path) -> list[str]:
    """The files that are not what `write_stamp` saw; none where there is no stamp with hashes.

    Weights have a seal of their own (`weight_files`, `compact`), which is checked as they are read.
    """
    if not (directory / _STAMP).exists():
        return []
    hashes = read_sealed_json(directory / _STAMP).get("sha256", {})
    if not isinstance(hashes, dict):
        raise InputError(f"{directory / _STAMP} is damaged: there are no hashes in it")
    return [
        name
        for name in _files(directory)
        if name in hashes
        and not name.endswith((SUFFIX, compact.WEIGHTS))
        and hashes[name] != _sha256(directory / name)
    ]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_preset(directory: Path) -> bool:
    """Whether a directory holds a KerasHub preset, whether of our models or of others."""
    try:
        named = "class_name" in _read_json(directory / "config.json")
    except StoreError:  # it is not known
        raise
    except (OSError, InputError):
        return False
    return named and not is_half_written(directory)


def is_compact(directory: Path) -> bool:
    """Whether a preset holds all networks of its pre-training in place of the encoder alone."""
    others = (directory / f"model{SUFFIX}", directory / "task.json")  # saved there afterwards
    listed = compact.listed_file(directory / compact.LIST) is not None
    return listed and not any(path.exists() for path in others)


def read_compact(directory: Path, read: Callable[[Path], Stored]) -> Stored:
    """Reads the file of a compact preset.

    Args:
      directory: the directory of the preset.
      read: `compact.read_seal` or `compact.read_networks`.

    Raises:
      InputError: the preset is damaged, or links to a file outside it.
    """
    with local_copy(directory) as local, _explained(directory, local):
        _check(local)
        return read(local / compact.WEIGHTS)


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
    with local_copy(directory) as local, _explained(directory, local):
        _check(local)
        return kind.from_preset(str(local), **options)


@contextlib.contextmanager
def _explained(directory: Path, local: Path) -> Iterator[None]:
    """Turns what damaged files raise into one line; `local` is the copy that is read."""
    try:
        yield
    except _UNREADABLE as error:
        message = str(error) if isinstance(error, InputError) else reason(error)
        message = message.removeprefix(f"{local}/") or type(error).__name__
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
    if changed := _changed(directory):
        raise InputError(
            f"{changed[0]} is not the file that was saved with the weights; restore it, or, if you"
            f" have changed it, remove {_STAMP}"
        )
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
        files = list(directory.glob(f"{file}*{SUFFIX}"))
        name = f"{file}{SUFFIX}"
        if not files and file == "model" and (directory / compact.WEIGHTS).is_file():
            files, name = [directory / compact.WEIGHTS], compact.WEIGHTS
        stored = sum(path.stat().st_size for path in files)
        if 2 * stored < weights:  # a weight takes at least half a byte: 4 bits
            raise InputError(
                f"{config} describes {weights:,} weights, but {name} has {stored:,} bytes"
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
