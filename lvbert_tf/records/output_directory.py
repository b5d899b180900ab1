"""A directory that appears whole or not at all."""

import contextlib
import errno
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from lvbert_tf.errors import InputError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LOCK_NAME = ".lock"


@contextlib.contextmanager
def new_directory(path: Path, overwrite: bool, is_ours: Callable[[str], bool]) -> Iterator[Path]:
    """Gives a temporary directory beside `path`, which takes its place at the end.

    After an exception nothing is left; after `kill -9`, or a crash of the machine, at most a
    `.tmp-NAME-*` directory, which the next call for the same path removes.

    Args:
        path: the directory to make. An empty one may exist.
        overwrite: whether to replace one that is not empty. It stays until the new one is whole.
        is_ours: tells by a file's name whether it may be replaced.

    Raises:
        InputError: if the directory exists, holds other files, is being written by another
            process, cannot be created, or the disk is full.
    """
    retired = path.parent / f".tmp-{path.name}-retired"
    temporary = lock = None
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _restore_or_clean(path, retired)
            check_replaceable(path, overwrite, is_ours)
            temporary = Path(tempfile.mkdtemp(prefix=f".tmp-{path.name}-", dir=path.parent))
            lock = _lock(temporary)
        except OSError as error:
            raise InputError(f"cannot write to {path}: {error.strerror}") from error
        try:
            yield temporary
            _put_in_place(temporary, path, retired)
        except OSError as error:
            if error.errno in _FULL:
                raise InputError(f"{error.strerror}: {path}; nothing was written") from error
            raise
    finally:
        if lock is not None:
            os.close(lock)
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(temporary: Path, path: Path, retired: Path) -> None:
    (temporary / _LOCK_NAME).unlink()
    temporary.chmod(0o777 & ~_umask())  # mkdtemp lets only its owner in
    _sync(temporary)
    if path.exists() and any(path.iterdir()):
        path.rename(retired)
    temporary.rename(path)
    _sync(path.parent)
    shutil.rmtree(retired, ignore_errors=True)


def _restore_or_clean(path: Path, retired: Path) -> None:
    """Undoes what a killed run left; refuses if one is still at work."""
    if retired.exists() and not path.exists():
        retired.rename(path)
    for left in path.parent.glob(f".tmp-{glob.escape(path.name)}-*"):
        if left == retired:
            shutil.rmtree(left)
            continue
        lock = _lock(left)
        if lock is None:
            raise InputError(f"{path} is being written by another process")
        os.close(lock)
        shutil.rmtree(left)


def check_replaceable(path: Path, overwrite: bool, is_ours: Callable[[str], bool]) -> None:
    """Raises the InputError that `new_directory` would raise for what is at `path`."""
    if not path.exists():
        return
    if not path.is_dir():
        raise InputError(f"{path} exists and is not a directory")
    names = sorted(entry.name for entry in path.iterdir())
    if names and not overwrite:
        raise InputError(f"{path} is not empty; name another directory or give --overwrite")
    if others := [name for name in names if not is_ours(name)]:
        raise InputError(f"{path} holds {others[0]!r}, which --overwrite would lose; move it away")


def _lock(directory: Path) -> int | None:
    """Holds the directory until the descriptor is closed or its process ends; None if held."""
    descriptor = os.open(directory / _LOCK_NAME, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
