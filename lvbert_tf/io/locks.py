"""Locks between processes, which the system frees when the process that holds one ends or is killed.

A lock is a file that is opened and locked (`flock`). The file itself means nothing and may stay. In a
bucket it is a lease (`leases`).
"""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from lvbert_tf.errors import InputError, reason
from lvbert_tf.io.leases import Held, leased
from lvbert_tf.io.notices import warn_once
from lvbert_tf.io.paths import BucketPath, parse_path

_LONGEST_PAUSE = 0.05  # seconds between two attempts
# What file systems answer that have no locks, or whose server does not lock: some NFS, Lustre and FUSE.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


def take(descriptor: int, seconds: float = 0.0) -> None:
    """Locks an open file; closing it frees the lock.

    Args:
      descriptor: the file descriptor.
      seconds: how long to wait while another process holds the lock; `math.inf` waits for ever.

    Raises:
      Held: another process held the lock all the time.
      OSError: the file system has no locks.
    """
    deadline = time.monotonic() + seconds
    pause = 0.001
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Held from None
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def take_if_possible(descriptor: int, path: Path, seconds: float = 0.0) -> bool:
    """As `take`; on a file system without locks nothing is locked, and the user is told once.

    Args:
      descriptor: the file descriptor.
      path: the file, for the message.
      seconds: see `take`.

    Returns:
      whether it is locked.
    """
    try:
        take(descriptor, seconds)
        return True
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        warn_once(
            "locks",
            f"the file system of {path.parent} has no locks ({error.strerror}); see to it that no two"
            " processes write there at the same time",
        )
        return False


@contextlib.contextmanager
def holding(path: Path, seconds: float = 0.0) -> Iterator[bool]:
    """Holds the lock of a lock file, which is created where there is none; see `take_if_possible`.

    Yields:
      whether it is locked.

    Raises:
      FileNotFoundError: there is no directory for it, or another process has removed it meanwhile.
    """
    if isinstance(path, BucketPath):
        with leased(path, seconds):
            yield True
        return
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            locked = take_if_possible(descriptor, path, seconds)
            if is_at(path, descriptor):
                yield locked
                return
        finally:
            os.close(descriptor)


def is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file still has this name: another process may have renamed or removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def changing(path: str | Path) -> Iterator[None]:
    """Waits until no other process is in this context with the same file.

    A process that reads a file and then replaces it does both in here. Otherwise it would lose what
    another process wrote in between.

    Args:
      path: the file. Its folder is created if there is none. The lock file `.NAME.lock` beside it stays.

    Raises:
      InputError: the lock file cannot be locked, e.g. in a folder that is read-only.
    """
    path = parse_path(path)
    lock = path.with_name(f".{path.name}.lock")
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(holding(lock, float("inf")))
        except OSError as error:
            raise InputError(f"cannot lock {lock}: {reason(error)}") from error
        yield


@contextlib.contextmanager
def training_in(directory: str | Path, what: str = "") -> Iterator[None]:
    """Creates the directory of a run and keeps a second run out of it.

    Args:
      directory: where the run writes. The lock file is `.lock` in it, or `.WHAT.lock`.
      what: names the part of the directory that is locked, if other runs may write other parts at the
        same time.

    Raises:
      InputError: another process is training there, or the directory cannot be created.
    """
    directory = parse_path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create {directory}: {error.strerror}") from error
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(holding(directory / (f".{what}.lock" if what else ".lock")))
        except Held as held:
            training = f"training {what}" if what else "training"
            owner = f" ({held})" if str(held) else ""
            raise InputError(f"another process is {training} in {directory}{owner}") from None
        yield
