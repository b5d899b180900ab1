"""Directories in buckets that are whole or not there, and local copies of what is in buckets.

A store cannot rename a directory. So the object `.contents.json` in it says how far it is: it is written
first, with the state "writing", and again last, with the state "complete" and the names and sizes of all
files. A directory is complete when this marker says so and the files are there. One without a marker
was copied there by other tools, and is taken as it is, like a directory on a disk.
"""

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lvbert_tf.errors import InputError
from lvbert_tf.io.paths import BucketPath
from lvbert_tf.io.temporary import scratch_directory

MARKER = ".contents.json"
_WRITING, _COMPLETE = "writing", "complete"
_BAR_BYTES = 64 << 20  # what is larger takes seconds, and has a progress bar


def is_whole(path: Path) -> bool:
    """Whether there is a directory, and in a bucket whether all of it is there."""
    if not path.is_dir():
        return False
    if not isinstance(path, BucketPath):
        return True
    marker = _read_marker(path)
    return marker is None or (
        marker.get("state") == _COMPLETE and _missing(marker, path.objects()) is None
    )


def check_whole(path: Path) -> None:
    """Refuses a directory of which a part is missing.

    Raises:
      InputError: the directory is not whole.
    """
    if not is_whole(path):
        raise InputError(
            f"{path} is not whole: a process that wrote it was killed, or still writes it;"
            " run that command again"
        )


def is_half_written(path: Path) -> bool:
    """Whether a process was killed while it wrote this directory of a bucket, or still writes it."""
    if not isinstance(path, BucketPath):
        return False
    marker = _read_marker(path)
    return marker is not None and marker.get("state") == _WRITING


def upload_directory(directory: Path, path: BucketPath, replace: bool, leave: str) -> None:
    """Writes a local directory to a bucket, with its marker.

    Args:
      directory: the local directory.
      path: its place in the bucket. What a killed process left there is removed.
      replace: whether a complete directory at `path` may be replaced. From the first object on until the
        last, there is then no complete one.
      leave: the name of a file in the directory that is not written.

    Raises:
      OSError: there is a complete directory at `path`, or the store cannot be used.
    """
    begin_directory(path, replace)
    files = {
        file: file.relative_to(directory).as_posix()
        for file in sorted(directory.rglob("*"))
        if file.is_file() and file.name != leave
    }
    sizes = {name: file.stat().st_size for file, name in files.items()}
    with _progress(f"writing {path}", sum(sizes.values())) as callback:
        path.upload(files, callback)
    complete_directory(path, sizes)


def begin_directory(path: BucketPath, replace: bool) -> None:
    """Marks a directory as one that is being written, and removes what a killed process left there.

    Args:
      path: the directory.
      replace: whether a complete directory at `path` may be replaced.

    Raises:
      OSError: there is a complete directory at `path`, or the store cannot be used.
    """
    occupied = OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(path))
    old = path.objects() if path.is_dir() else {}
    if old and not replace and not is_half_written(path):
        raise occupied
    try:
        (path / MARKER).write_bytes(_marker(_WRITING), new=not old)
    except FileExistsError:  # another process was faster
        raise occupied from None
    path.remove([name for name in old if name != MARKER])


def complete_directory(path: BucketPath, sizes: dict[str, int]) -> None:
    """Marks a directory as whole.

    Args:
      path: the directory.
      sizes: the names and sizes in bytes of files that must be in it; other files may be.

    Raises:
      OSError: one of them did not arrive, or the store cannot be used.
    """
    there = {name: size for name, size in path.objects().items() if name != MARKER}
    if missing := _missing({"files": sizes}, there):
        raise OSError(errno.EIO, f"{missing} did not arrive whole", str(path))
    (path / MARKER).write_bytes(_marker(_COMPLETE, there))


@contextlib.contextmanager
def local_copy(path: Path, wholly: bool = True) -> Iterator[Path]:
    """Yields a local path of the same content: `path` itself, or a copy of what is in a bucket.

    Libraries that open files themselves, such as TensorFlow, read through it. The copy is removed when
    the block ends.

    Args:
      path: a file or a directory, or the prefix of a checkpoint, whose files are `PREFIX.*`.
      wholly: whether to refuse a directory of which a part is missing.

    Raises:
      InputError: the directory is not whole.
      OSError: the store cannot be used.
    """
    if not isinstance(path, BucketPath):
        yield path
        return
    with scratch_directory() as directory:
        copy = directory / path.name
        if path.is_dir():
            if wholly:
                check_whole(path)
            _download(path, path.objects(), copy)
        else:
            start = f"{path.name}."
            found = [file for file in path.parent.iterdir() if f"{file.name}.".startswith(start)]
            sizes = {file.name: file.stat().st_size for file in found if file.is_file()}
            _download(path.parent, sizes, copy.parent)
        try:
            yield copy
        except InputError as error:  # which names what the user does not know
            raise InputError(str(error).replace(str(copy), str(path))) from error


def remove_directory(path: BucketPath) -> None:
    """Removes all objects of a directory, its marker first, so that no part of it is taken for whole."""
    if (path / MARKER).exists():
        (path / MARKER).write_bytes(_marker(_WRITING))
    names = list(path.objects()) if path.is_dir() else []
    path.remove([name for name in names if name != MARKER])
    (path / MARKER).unlink(missing_ok=True)


def _download(path: BucketPath, sizes: dict[str, int], directory: Path) -> None:
    with _progress(f"reading {path}", sum(sizes.values())) as callback:
        path.download({name: directory / name for name in sizes if name != MARKER}, callback)


def _marker(state: str, files: dict[str, int] | None = None) -> bytes:
    return (json.dumps({"state": state, "files": files or {}}, indent=1) + "\n").encode()


def _read_marker(path: BucketPath) -> dict[str, Any] | None:
    try:
        marker = json.loads((path / MARKER).read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return {}
    return marker if isinstance(marker, dict) else {}


def _missing(marker: dict[str, Any], sizes: dict[str, int]) -> str | None:
    """The name of a file that a marker lists and that is not there, or has another size."""
    files = marker.get("files")
    listed = files if isinstance(files, dict) else {}
    return next((name for name, size in listed.items() if sizes.get(name) != size), None)


@contextlib.contextmanager
def _progress(what: str, total: int) -> Iterator[Any]:
    """What a store tells of its progress: a callback of fsspec's, or None for little."""
    if total < _BAR_BYTES:
        yield None
        return
    from lvbert_tf.io.transfer_bars import OfFiles

    with tqdm(total=total, unit="B", unit_scale=True, desc=what, leave=False) as bar:
        yield OfFiles(bar)
