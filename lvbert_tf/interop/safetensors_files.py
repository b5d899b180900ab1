"""Reads the tensors of a model of transformers: one safetensors file, or shards and their index.

Nothing in these files is executed, and an index cannot name a file outside its directory.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePath

import ml_dtypes  # noqa: F401 - it adds bfloat16 to NumPy, which safetensors needs
import numpy as np
import safetensors

from lvbert_tf.errors import InputError, reason
from lvbert_tf.io.files import read_json_object

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
_SUFFIX = ".safetensors"
_FLOATS = ("F32", "F16", "BF16")


def read_tensors(directory: Path) -> dict[str, np.ndarray]:
    """Reads all tensors of a directory by name. As in transformers, a single file goes before shards.

    Tensors of float16 and bfloat16 become float32, with the same values.

    Raises:
        InputError: there are no such files, a file is damaged, the index and the shards contradict each
            other, the index names a file elsewhere, or a tensor does not hold floating-point numbers.
    """
    if not (directory / WEIGHTS).exists() and (directory / INDEX).exists():
        return _read_shards(directory / INDEX)
    pickles = sorted(path.name for path in directory.glob("pytorch_model*.bin"))
    if not (directory / WEIGHTS).exists() and pickles:
        raise InputError(
            f"{directory} has {pickles[0]}, a pickle, which is not read because it can run"
            f" code; convert it to {WEIGHTS}: from_pretrained and save_pretrained of transformers do"
        )
    return _read_file(directory / WEIGHTS)


def is_position_ids(name: str) -> bool:
    """Whether a tensor is the buffer 0, 1, 2, ..., which older releases of transformers save."""
    return name.endswith("embeddings.position_ids")


def _read_shards(index: Path) -> dict[str, np.ndarray]:
    shard_of = read_json_object(index).get("weight_map")
    if not isinstance(shard_of, dict) or not shard_of:
        raise InputError(f"{index}: weight_map does not say which file has which tensor")
    for shard in shard_of.values():
        # It must be a name and not a path: a file elsewhere is no part of the model.
        if (
            not isinstance(shard, str)
            or PurePath(shard).name != shard
            or PurePath(shard).suffix != _SUFFIX
        ):
            raise InputError(f"{index} names {shard!r}; a shard is a {_SUFFIX} file beside it")
    tensors: dict[str, np.ndarray] = {}
    for shard in sorted(set(shard_of.values())):
        found = _read_file(index.with_name(shard))
        for name in found:
            if shard_of.get(name) != shard:
                wanted = f"is in {shard_of[name]}" if name in shard_of else "does not exist"
                raise InputError(
                    f"{index.with_name(shard)} has {name}, which {wanted} according to {index.name}"
                )
        tensors |= found
    if missing := sorted(shard_of.keys() - tensors.keys()):
        raise InputError(
            f"{index} says that {missing[0]} is in {shard_of[missing[0]]}, which does not have it"
        )
    return tensors


def _read_file(path: Path) -> dict[str, np.ndarray]:
    tensors = {}
    with _refusing(path), safetensors.safe_open(path, framework="numpy") as file:
        for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
            dtype = file.get_slice(name).get_dtype()
            if dtype in _FLOATS:
                tensors[name] = file.get_tensor(name).astype(np.float32, copy=False)
            elif is_position_ids(name):
                tensors[name] = file.get_tensor(name)
            else:
                expected = f"{', '.join(_FLOATS[:-1])} or {_FLOATS[-1]}"
                raise InputError(f"{path}: {name} is {dtype}; expected {expected}")
    return tensors


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
