"""Locks between processes, which the system frees when the process that holds one ends or is killed.

A lock is a file that is opened and locked (`flock`). The file itself means nothing and may stay.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from lvbert_tf.errors import InputError, reason

_LONGEST_PAUSE = 0.05  # seconds between two attempts


class Held(Exception):
    """Another process holds the lock."""


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


@contextlib.contextmanager
def holding(path: Path, seconds: float = 0.0) -> Iterator[None]:
    """Holds the lock of a lock file, which is created where there is none; see `take`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        take(descriptor, seconds)
        yield
    finally:
        os.close(descriptor)


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
    path = Path(path)
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
    directory = Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create {directory}: {error.strerror}") from error
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(holding(directory / (f".{what}.lock" if what else ".lock")))
        except Held:
            training = f"training {what}" if what else "training"
            raise InputError(f"another process is {training} in {directory}") from None
        yield
