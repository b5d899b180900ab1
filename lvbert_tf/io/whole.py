"""Files and directories that appear whole or not at all.

A file or a directory is written under a temporary name beside its place, flushed to the disk and
renamed. A reader sees the old file or the new one, never a part, also after a kill or a crash of the
machine. A directory that replaces another takes two renames: between them a reader finds no directory,
and after a kill between them the next `draft` for the same path puts the old one back. What a killed
process leaves under a temporary name, the next one that writes the same file or directory removes.

In a bucket, where nothing can be renamed, an object appears whole by itself. A directory is written on
this machine first, and is there when its marker is (`bucket_directories`).
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import shutil
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TextIO, cast

from lvbert_tf.errors import InputError, reason
from lvbert_tf.io import locks
from lvbert_tf.io.bucket_directories import (
    MARKER,
    is_half_written,
    remove_directory,
    upload_directory,
)
from lvbert_tf.io.notices import warn_once
from lvbert_tf.io.paths import BucketPath, parse_path
from lvbert_tf.io.temporary import LOCK_NAME, locked_directory, private_folder, remove_left

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# A link is not followed: in a shared directory, another user may have made it.
_APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
# The answers where there is one, or a file that a killed process of another user left.
_OTHERS_FILE = {errno.ELOOP, errno.EACCES, errno.EPERM}
# What some file systems answer where a directory is to be flushed.
_NO_FLUSHING = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EBADF}


def replace_file(path: str | Path, content: str | bytes) -> None:
    """Writes a file, in place of the old one if there is one.

    Raises:
      InputError: the file cannot be written, e.g. on a full disk; the old file is untouched.
    """
    path, content = parse_path(path), content.encode() if isinstance(content, str) else content
    if isinstance(path, BucketPath):
        path.write_bytes(content)
        return
    with _appearing_file(path, "ab", wait=math.inf) as file:
        file.write(content)


def write_json(path: str | Path, value: Any) -> None:
    """Writes a value as JSON; see `replace_file`."""
    replace_file(path, json.dumps(value, indent=2) + "\n")


@contextlib.contextmanager
def new_text_file(path: str | Path) -> Iterator[TextIO]:
    """Yields a text file that gets its name when the block ends; after an exception nothing is left.

    Raises:
      InputError: there is a file of that name already, another process is writing it, or it cannot be
        written.
    """
    path = parse_path(path)

    def check_free() -> None:
        if path.is_symlink() or path.exists():
            raise InputError(f"{path} exists; move it away, or name another file")

    check_free()
    if isinstance(path, BucketPath):
        with draft(path) as directory:
            local = directory / path.name
            with local.open("w", encoding="utf-8") as text:
                yield text
            check_free()
            path.parent.upload({local: path.name})
        return
    with _appearing_file(path, "a", wait=0.0, before_renaming=check_free) as file:
        yield cast(TextIO, file)


@contextlib.contextmanager
def _appearing_file(
    path: Path, mode: str, wait: float, before_renaming: Callable[[], None] = lambda: None
) -> Iterator[IO]:
    # All that write a file use the same temporary name, one after the other. So they also use, and
    # rename, what a killed one has left.
    temporary = path.with_name(f".{path.name}.writing")
    try:
        with _opened_alone(temporary, mode, wait) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                before_renaming()
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except locks.Held:
        raise InputError(f"{path} is being written by another process") from None
    except OSError as error:
        raise InputError(f"cannot write {path}: {reason(error)}") from error


@contextlib.contextmanager
def _opened_alone(path: Path, mode: str, wait: float) -> Iterator[IO]:
    """Opens a file, locks it and empties it; see `locks.take` for `wait`."""
    while True:
        try:
            descriptor = os.open(path, _APPENDING, 0o666)
        except OSError as error:
            if error.errno not in _OTHERS_FILE or not os.path.lexists(path):
                raise
            path.unlink()
            continue
        with os.fdopen(descriptor, mode, encoding=None if "b" in mode else "utf-8") as file:
            locks.take_if_possible(file.fileno(), path, wait)
            if locks.is_at(path, file.fileno()):
                file.truncate(0)
                yield file
                return


@contextlib.contextmanager
def new_directory(path: Path, replace: bool = False) -> Iterator[Path]:
    """Yields an empty directory that gets the name `path` when the block ends.

    Args:
      path: the directory to make. Its parent is created if there is none.
      replace: whether to replace a directory at `path`. The old one stays until the new one is whole.

    Raises:
      InputError: another process is writing the same directory.
      OSError: the directory cannot be written, or there is something at `path` and `replace` is false.
    """
    with draft(path) as directory:
        yield directory
        publish(directory, path, replace)


@contextlib.contextmanager
def new_output(path: Path, overwrite: bool, is_ours: Callable[[str], bool]) -> Iterator[Path]:
    """As `new_directory`, at a path that a user chose and that may hold files of the user.

    Args:
      path: the directory to make. An empty one may exist.
      overwrite: whether to replace a directory that is not empty.
      is_ours: takes the name of a file in the old directory; returns whether it may be replaced.

    Raises:
      InputError: the directory exists, holds other files, is being written by another process, cannot
        be created, or the disk is full.
    """
    with contextlib.ExitStack() as stack:
        try:
            directory = stack.enter_context(draft(path))
        except OSError as error:
            raise InputError(f"cannot write to {path}: {error.strerror}") from error
        check_replaceable(path, overwrite, is_ours)
        try:
            yield directory
            publish(directory, path, replace=overwrite)
        except OSError as error:
            if error.errno in _FULL:
                raise InputError(f"{error.strerror}: {path}; nothing was written") from error
            raise


def check_replaceable(path: Path, overwrite: bool, is_ours: Callable[[str], bool]) -> None:
    """Raises the InputError that `new_output` would raise for what is at `path`."""
    if not path.exists():
        return
    if not path.is_dir():
        raise InputError(f"{path} exists and is not a directory")
    names = sorted(entry.name for entry in path.iterdir() if entry.name != MARKER)
    if names and not overwrite and not is_half_written(path):
        raise InputError(f"{path} is not empty; name another directory or give --overwrite")
    if others := [name for name in names if name != LOCK_NAME and not is_ours(name)]:
        raise InputError(f"{path} holds {others[0]!r}, which --overwrite would lose; move it away")


@contextlib.contextmanager
def draft(path: Path, alone: bool = True) -> Iterator[Path]:
    """Yields an empty directory `.tmp-NAME-*` beside `path`, for the caller to fill and `publish`.

    For a path in a bucket it is in the directory for temporary files of this machine.

    A draft that was not published is removed when the block ends. A process that is killed leaves its
    draft behind, and the next call for the same path removes it.

    Args:
      path: the path that the draft is meant for. Its parent is created if there is none.
      alone: whether to refuse if another process has a draft of the same path.

    Raises:
      InputError: another process has a draft of the same path.
      OSError: it cannot be created.
    """
    if isinstance(path, BucketPath):
        with _bucket_draft(path, alone) as directory:
            yield directory
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    restore_replaced(path)
    beginning = f".tmp-{path.name}-"
    # Without locks, no two processes may write here; the user was told.
    if remove_left(path.parent, beginning, without_locks=True) and alone:
        raise InputError(f"{path} is being written by another process")
    with locked_directory(path.parent, beginning) as directory:
        yield directory


def local_place(path: Path) -> Path:
    """Where a directory is written first: at its own place, or for a bucket at one on this machine.

    There is one place for each path, so that what a killed process left there is found again.

    Raises:
      InputError: see `private_folder`.
    """
    if not isinstance(path, BucketPath):
        return path
    readable = urllib.parse.quote(str(path), safe="")[-200:]  # names have at most 255 characters
    return private_folder() / f"{readable}-{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"


@contextlib.contextmanager
def _bucket_draft(path: BucketPath, alone: bool) -> Iterator[Path]:
    with contextlib.ExitStack() as stack:
        if alone:
            try:
                stack.enter_context(locks.holding(path.with_name(f".{path.name}.lease")))
            except locks.Held as held:
                raise InputError(f"{path} is being written by another process, {held}") from None
        yield stack.enter_context(draft(local_place(path), alone=False))


def publish(directory: Path, path: Path, replace: bool = False) -> None:
    """Renames a complete draft to its final name; in a bucket, writes its files and then its marker.

    Args:
      directory: what `draft` yielded.
      path: the final path, in the same parent directory.
      replace: whether to replace a directory at `path` that is not empty. An empty one is always
        replaced. If `path` is a link, this goes for what it leads to, but the link itself is replaced:
        what it leads to may be of use elsewhere, and stays as it is.

    Raises:
      OSError: the draft cannot be flushed to the disk, or there is a directory at `path`.
    """
    if isinstance(path, BucketPath):
        upload_directory(directory, path, replace, leave=LOCK_NAME)
        return
    directory.chmod(0o777 & ~_umask())  # mkdtemp lets only its owner in
    # Flush the files first: after a crash the final name must not stand for files that were lost.
    for file in directory.rglob("*"):
        flush(file)
    flush(directory)
    replaced = _replaced(path)
    occupied = path.exists() and any(path.iterdir())
    if (replace and occupied) or (path.is_symlink() and not occupied):
        path.rename(replaced)
    directory.rename(path)
    flush(path.parent)
    # Only now: `draft` removes directories with a temporary name and a free lock.
    (path / LOCK_NAME).unlink(missing_ok=True)
    _discard(replaced, ignore_errors=True)


def remove(path: Path) -> None:
    """Removes a directory and all that is in it, as far as that is possible; there need be none.

    Of a link, only the link is removed.
    """
    if isinstance(path, BucketPath):
        remove_directory(path)
    else:
        _discard(path, ignore_errors=True)


def _discard(path: Path, ignore_errors: bool = False) -> None:
    """Removes a directory, or a link and not what it leads to."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors)


def move_away(path: Path, aside: Path) -> None:
    """Renames a directory, in place of what is at `aside`; in a bucket, removes it."""
    remove(aside)
    if isinstance(path, BucketPath):
        remove(path)
    else:
        path.rename(aside)


def restore_replaced(path: Path) -> None:
    """Undoes the first of the two renames of `publish`, if a process was killed between them."""
    replaced = _replaced(path)
    if not os.path.lexists(replaced):
        return
    if path.exists():
        _discard(replaced)
    else:
        replaced.rename(path)


def _replaced(path: Path) -> Path:
    return path.parent / f".tmp-{path.name}-retired"


def flush(path: Path) -> None:
    """Waits until a file or a directory is on the disk and not only in the system's cache."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FLUSHING or not path.is_dir():
            raise
        warn_once(
            "flushing",
            f"the file system of {path.parent} cannot flush directories ({error.strerror}); after a"
            " crash of the machine, what was written last may be missing",
        )
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
