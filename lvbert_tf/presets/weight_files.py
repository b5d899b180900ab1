"""Checks files of weights before Keras opens them.

An HDF5 file can refer to other files, and Keras loads the weights that it finds and ignores the rest.
Therefore a file is searched for such references first, and it carries a seal: the architecture of the
encoder that the weights belong to, how they are quantised, and a hash of them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import h5py

from lvbert_tf.errors import InputError, reason
from lvbert_tf.io.paths import parse_path

SUFFIX, SHARDS_SUFFIX = ".weights.h5", ".weights.json"
_SEAL = "lvbert_tf"  # the attribute of the root group that holds the seal
# What h5py raises for damaged files; SystemError when a second error occurs while it handles one.
_DAMAGED = (
    *(OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError),
    SystemError,
)

Architecture = Mapping[str, Any]
Quantization = Mapping[str, str]  # from the path of a layer to its `Dense.quantization`


def is_weight_file(path: str | Path) -> bool:
    """Whether a path is an existing file that can have such a seal: HDF5, or a list of HDF5 shards."""
    return str(path).endswith((SUFFIX, SHARDS_SUFFIX)) and parse_path(path).exists()


def seal(path: str | Path, architecture: Architecture, quantization: Quantization) -> None:
    """Seals a file of weights, or each shard of a list.

    Args:
      path: the file.
      architecture: the fields of the encoder that the weights belong to, as JSON types.
      quantization: how its layers are quantised.
    """
    for file in _files(parse_path(path)):
        with h5py.File(file, "r+") as opened:
            record = {
                "architecture": dict(architecture),
                "quantization": dict(quantization),
                "sha256": _hash(opened),
            }
            opened.attrs[_SEAL] = json.dumps(record)


def check(path: str | Path, architecture: Architecture | None) -> None:
    """Refuses a file whose weights should not be loaded.

    A file without a seal, as Keras alone writes it, is only searched for references to other files. Of a
    seal that lacks some fields of the architecture, as older ones may, those that it has are compared.

    Args:
      path: a file that ends in `.weights.h5`, or in `.weights.json` for a list of shards beside it.
      architecture: the fields of the encoder that is to load the weights; None allows any encoder.

    Raises:
      InputError: the file is damaged, refers to other files, or has weights of another architecture. The
        message names the fields that differ.
    """
    for file in _files(parse_path(path)):
        try:
            with h5py.File(file, "r") as opened:
                record = json.loads(opened.attrs.get(_SEAL, "{}"))
                hashed = _hash(opened)
            sealed, sha256 = record.get("architecture", {}), record.get("sha256", hashed)
            differing = differences(sealed, architecture) if architecture else []
        except InputError as error:
            raise InputError(f"{file}: {error}") from error
        except _DAMAGED as error:
            raise InputError(f"{file} is damaged: {reason(error)}") from error
        if differing:
            raise InputError(f"{file} has weights of another model: {'; '.join(differing)}")
        if sha256 != hashed:
            raise InputError(f"{file} is damaged: its weights are not those that were saved")


def quantization(path: str | Path) -> Quantization | None:
    """Reads from the seal how the weights of a file are quantised; None if there is no seal.

    Args:
      path: a file that `check` has accepted.

    Raises:
      InputError: the seal is damaged.
    """
    with h5py.File(_files(parse_path(path))[0], "r") as opened:
        seal = opened.attrs.get(_SEAL)
    if seal is None:
        return None
    quantized = json.loads(seal).get("quantization", {})  # older files have only float weights
    if not isinstance(quantized, dict) or not all(isinstance(v, str) for v in quantized.values()):
        raise InputError(f"{path} is damaged: quantization {quantized!r}")
    return quantized


def differences(sealed: Architecture, wanted: Architecture) -> list[str]:
    """What the fields of two encoders differ in, of those that both have; empty if in nothing."""
    pairs = ((name, sealed[name], wanted[name]) for name in wanted if name in sealed)
    return [f"{name} {here}, not {there}" for name, here, there in pairs if here != there]


def _files(path: Path) -> list[Path]:
    """The HDF5 files that a file of weights consists of: itself, or the shards that it lists.

    Raises:
      InputError: the list of shards cannot be read, or names a file that is not beside it.
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file")
    if not path.name.endswith(SHARDS_SUFFIX):
        return [path]
    try:
        shards = json.loads(path.read_bytes())["weight_map"].values()
        names = {
            name for shard in shards for name in ([shard] if isinstance(shard, str) else shard)
        }
        outside = [n for n in names if PurePath(n).name != n or not n.endswith(SUFFIX)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is not a list of shards: {reason(error)}") from error
    # Keras opens the first shard, whatever the list says.
    names.add(f"{path.name.removesuffix(SHARDS_SUFFIX)}_00000{SUFFIX}")
    if outside:
        raise InputError(f"{path} names {outside[0]!r}; a shard is a {SUFFIX} file beside the list")
    files = [path.with_name(name) for name in sorted(names)]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise InputError(f"{path} names {missing[0].name}, which is not there")
    return files


def _hash(opened: h5py.File) -> str:
    """The SHA-256 of all arrays with their names, types and shapes.

    Raises:
      InputError: see `_arrays`.
    """
    digest = hashlib.sha256()
    for name, array in _arrays(opened):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array[()].tobytes())
    return digest.hexdigest()


def _arrays(opened: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """The datasets of a file and their names.

    Raises:
      InputError: the file has a link, a dataset that is stored in another file or not whole in this one,
        one that holds no numbers, or a filter, for which HDF5 might load a library.
    """
    links: dict[str, Any] = {}
    opened.visititems_links(links.__setitem__)  # does not follow them
    for name, link in sorted(links.items(), key=lambda item: item[0]):
        if not isinstance(link, h5py.HardLink):
            raise InputError(f"{name} is a link, and weights are not read from elsewhere")
        item = opened[name]
        if isinstance(item, h5py.Group):
            continue
        if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiubV":
            raise InputError(f"{name} holds no numbers")
        if item.external or item.is_virtual:
            raise InputError(f"{name} is in another file, and weights are not read from elsewhere")
        if item.id.get_create_plist().get_nfilters():
            raise InputError(f"{name} is compressed, which weights are not")
        if item.id.get_storage_size() < item.nbytes:
            raise InputError(f"{name} holds fewer numbers than it claims")
        yield name, item
