"""Whether two trees of files hold the same, bit for bit, but for times, speeds and paths."""

import csv
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lvbert_tf.io.bucket_directories import local_copy

# Names that a comparison leaves out: locks, event files, and what says when or where a file was made.
_LEFT_OUT = ("tensorboard", "metadata.json", "fingerprint.pb", "saved_model.pb", "damaged-")
_VARYING = (
    *("seconds", "examples_per_second", "share_of_peak"),
    *("corpus", "vocabulary_file", "checksum"),
    *("data_dir", "model_dir", "vocab_file", "pretrain_tfrecords", "eval_tfrecords"),
)
_CHECKPOINT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def digests(tree: Path, *patterns: str) -> dict[str, str]:
    """What each file of a tree holds, by its path in the tree.

    Args:
      tree: a directory.
      *patterns: wildcards of the files that are compared, from the tree; by default all.
    """
    found = {path for pattern in patterns or ("**/*",) for path in tree.glob(pattern)}
    files: dict[str, str] = {}
    for path in sorted(found):
        name = path.relative_to(tree).as_posix()
        if path.is_dir() or path.name.startswith(".") or any(part in name for part in _LEFT_OUT):
            continue
        if path.name.startswith("state.data"):
            continue  # its index stands for both
        files[name] = _digest(path)
    return files


def same(tree: Path, other: Path, *patterns: str) -> bool:
    """Whether two trees hold the same; see `digests`. The first one may be in a bucket."""
    with local_copy(tree, wholly=False) as copy:
        ours = digests(copy, *patterns)
    return bool(ours) and ours == digests(other, *patterns)


def _digest(path: Path) -> str:
    read = next((read for suffix, read in _READERS.items() if path.name.endswith(suffix)), None)
    try:
        content = read(path) if read else path.read_bytes()
    except Exception as error:  # a damaged file differs from every other one
        return f"unreadable: {error!r}"
    return hashlib.sha256(content).hexdigest()


def _arrays(named: dict[str, np.ndarray]) -> bytes:
    digest = hashlib.sha256()
    for name, array in sorted(named.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()


def _hdf5(path: Path) -> bytes:
    arrays: dict[str, np.ndarray] = {}

    def add(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]

    with h5py.File(path, "r") as file:
        file.visititems(add)
    return _arrays(arrays)


def _checkpoint(path: Path) -> bytes:
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(path.with_suffix("")))
    names = set(reader.get_variable_to_shape_map()) - {_CHECKPOINT_GRAPH}
    arrays = {name: np.asarray(reader.get_tensor(name)) for name in names}
    texts = {name: array for name, array in arrays.items() if array.dtype == object}
    for name, array in texts.items():
        arrays[name] = np.frombuffer(b"\0".join(array.ravel().tolist()), np.uint8)
    return _arrays(arrays)


def _constant(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _constant(each) for name, each in value.items() if name not in _VARYING}
    return [_constant(each) for each in value] if isinstance(value, list) else value


def _json(path: Path) -> bytes:
    return json.dumps(_constant(json.loads(path.read_bytes()))).encode()


def _json_lines(path: Path) -> bytes:
    lines = path.read_text(encoding="utf-8").splitlines()
    return json.dumps([_constant(json.loads(line)) for line in lines]).encode()


def _table(path: Path) -> bytes:
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    return json.dumps([_constant(row) for row in rows]).encode()


_READERS: dict[str, Callable[[Path], bytes]] = {
    ".weights.h5": _hdf5,
    "state.index": _checkpoint,
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _table,
}
