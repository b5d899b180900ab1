"""Compact presets: the weights of all networks of a pre-training in one file of 16-bit numbers.

The file takes half the room of HDF5, and it has the generator and the heads beside the encoder. KerasHub
finds it as it finds shards: through a list that says which file has which weight.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors
import safetensors.numpy

from lvbert_tf.errors import InputError, reason
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.whole import replace_file, write_json

WEIGHTS, LIST = "model.safetensors", "model.weights.json"
ENCODER = "discriminator"
"""The first part of the names of the encoder's weights, which `from_preset` loads."""
_SEAL = "lvbert_tf"  # the metadata that holds the seal, as JSON
_DAMAGED = (OSError, ValueError, TypeError, RecursionError, safetensors.SafetensorError)


@dataclass(frozen=True)
class Seal:
    """What the weights of a file belong to, as JSON types.

    Attributes:
      architecture: the fields of the encoder.
      hparams: those of the pre-training, without paths.
      vocabulary: the number of `tokens` of the vocabulary, and its `sha256`.
    """

    architecture: Mapping[str, Any]
    hparams: Mapping[str, Any]
    vocabulary: Mapping[str, Any]


@dataclass(frozen=True)
class StoredNetworks:
    """What a file holds.

    Attributes:
      seal: what the weights belong to.
      weights: the values by name; see `weight_name`.
    """

    seal: Seal
    weights: Mapping[str, np.ndarray]


def weight_name(part: str, layer: keras.layers.Layer, weight: keras.Variable) -> str:
    """The name of a weight of a network, e.g. `generator.layer_3.feed_forward.intermediate.kernel`.

    Args:
      part: the name of the network or head.
      layer: the network or head.
      weight: a weight of it, or one that it shares.
    """
    return f"{part}.{weight.path.removeprefix(f'{layer.name}/').replace('/', '.')}"


def write_networks(directory: Path, networks: StoredNetworks) -> None:
    """Writes the file and its list into a preset.

    Args:
      directory: the preset, which has no other file with the encoder's weights.
      networks: what the file is to hold; the weights are rounded to 16 bits.

    Raises:
      InputError: a weight is not a number, or too large for 16 bits.
    """
    rounded = {}
    for name, value in networks.weights.items():
        with np.errstate(over="ignore"):
            rounded[name] = np.asarray(value, np.float16, order="C")
        if not np.isfinite(rounded[name]).all():
            raise InputError(f"{name} has values that 16-bit floating-point numbers cannot hold")
    parts = {name: dict(value) for name, value in vars(networks.seal).items()}
    seal = {**parts, "sha256": _hash(networks.seal, rounded)}
    content = safetensors.numpy.save(rounded, metadata={_SEAL: json.dumps(seal)})
    replace_file(directory / WEIGHTS, content)
    size = sum(value.nbytes for value in rounded.values())
    listed = {"metadata": {"total_size": size}, "weight_map": dict.fromkeys(rounded, WEIGHTS)}
    write_json(directory / LIST, listed)


def listed_file(path: str | Path) -> Path | None:
    """The file of 16-bit weights that a list of shards names; None if the path is something else."""
    path = parse_path(path)
    file = path.with_name(WEIGHTS)
    if path.name != LIST or not file.is_file():
        return None
    try:
        shards = json.loads(path.read_bytes())["weight_map"].values()
        return file if set(shards) == {WEIGHTS} else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # `weight_files` says what is wrong with it


def read_seal(file: Path) -> Seal:
    """Reads what the weights of a file belong to, and not the weights.

    Raises:
      InputError: the file is damaged, or another program's.
    """
    return _read_seal(file)[0]


def read_networks(file: Path) -> StoredNetworks:
    """Reads a file that `write_networks` wrote; the weights become float32.

    Raises:
      InputError: the file is damaged, or another program's.
    """
    seal, sha256 = _read_seal(file)
    try:
        with safetensors.safe_open(file, framework="numpy") as opened:
            names = list(opened.keys())
            dtypes = {name: opened.get_slice(name).get_dtype() for name in names}
            stored = {name: opened.get_tensor(name) for name in names if dtypes[name] == "F16"}
    except _DAMAGED as error:
        raise InputError(f"{file} cannot be read: {reason(error)}") from error
    for name in dtypes.keys() - stored.keys():
        raise InputError(f"{file}: {name} is {dtypes[name]}; expected F16")
    if sha256 != _hash(seal, stored):
        raise InputError(f"{file} is damaged: it is not what was saved")
    return StoredNetworks(seal, {name: value.astype(np.float32) for name, value in stored.items()})


def assign_weights(
    variables: Mapping[str, keras.Variable], weights: Mapping[str, np.ndarray], file: object
) -> None:
    """Gives variables their values by name.

    Args:
      variables: all of them get a value.
      weights: the values.
      file: what they were read from, for the message.

    Raises:
      InputError: a value is missing or has another shape.
    """
    for name, variable in variables.items():
        found = weights[name].shape if name in weights else None
        if found != tuple(variable.shape):
            shape = "no" if found is None else f"{found} as"
            raise InputError(f"{file} has {shape} {name}, which has the shape {variable.shape}")
    for name, variable in variables.items():
        variable.assign(weights[name])


def _read_seal(file: Path) -> tuple[Seal, object]:
    """The seal, and the hash of the content."""
    try:
        with safetensors.safe_open(file, framework="numpy") as opened:
            seal = json.loads((opened.metadata() or {}).get(_SEAL, "null"))
    except _DAMAGED as error:
        raise InputError(f"{file} cannot be read: {reason(error)}") from error
    names = tuple(Seal.__dataclass_fields__)
    parts = [seal.get(name) for name in names] if isinstance(seal, dict) else [None]
    if not all(isinstance(part, dict) for part in parts):
        raise InputError(f"{file} does not say which networks its weights belong to")
    return Seal(*parts), seal.get("sha256")


def _hash(seal: Seal, tensors: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 of a seal, and of all tensors with their names, types and shapes."""
    digest = hashlib.sha256(json.dumps(vars(seal), sort_keys=True, default=dict).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
