"""A study in a journal file, which the processes of one machine share."""

import json
import os
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from lvbert_tf.errors import InputError, reason
from lvbert_tf.io import locks
from lvbert_tf.io.paths import BucketPath
from lvbert_tf.io.sealed import is_whole, with_checksum
from lvbert_tf.search.bucket_journal import hold_journal

LOCK_SECONDS = 30.0  # a write takes milliseconds, so whoever holds the lock longer is stuck
_RECORD_START = b'{"op_code":'
_BLOCK = 4096  # bytes; a record of a trial has a few thousand


def open_journal(path: Path) -> BaseStorage:
    """Opens a journal, and creates it where there is none.

    One in a bucket belongs to this process until it ends (`bucket_journal`).

    What a killed process wrote of a last record is cut off before the next one is written; nothing
    else is ever changed.

    Raises:
      InputError: it is no journal, is damaged or cannot be opened.
    """
    try:
        local = hold_journal(path) if isinstance(path, BucketPath) else path
        local.parent.mkdir(parents=True, exist_ok=True)
        local.touch()
        _check_records(local)
    except OSError as error:
        raise InputError(f"cannot open the journal {path}: {error.strerror}") from error
    try:
        if isinstance(path, BucketPath):
            return JournalStorage(BucketBackend(local, path))
        return JournalStorage(CheckedBackend(str(path), JournalLock(path)))
    except Exception as error:  # whatever replaying a damaged file leads to
        raise InputError(
            f"{path} is damaged: its records contradict each other ({error!r}); nothing was changed"
        ) from error


def _check_records(path: Path) -> None:
    # Optuna passes over a damaged last line, and fails at it once another follows.
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not (_is_record(line) if line.endswith(b"\n") else _is_torn(line)):
                raise InputError(
                    f"{path}: line {number} is no record of a study; nothing was changed. Restore"
                    " the file, or move it away to start anew"
                )


def _is_record(line: bytes) -> bool:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(record, dict) or not isinstance(record.get("op_code"), int):
        return False
    return is_whole(record)


def _is_torn(tail: bytes) -> bool:
    """Whether it can be what a killed process, or zeros that a crash left, has of a last record."""
    return tail.startswith(_RECORD_START[: len(tail)]) or not tail.strip(b"\0")


class CheckedBackend(JournalFileBackend):
    """Optuna's file, each of whose records has a checksum: a digit may be damaged and stay a digit."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Adds records; Optuna passes over the names that it does not know.

        Raises:
          InputError: they cannot be written, e.g. on a full disk.
        """
        try:
            super().append_logs([with_checksum(log) for log in logs])
        except OSError as error:
            raise InputError(f"cannot write {self._file_path}: {reason(error)}") from error


class BucketBackend(CheckedBackend):
    """The same on this machine, each of whose records is copied to a bucket before it counts.

    Args:
      local: the file.
      path: its place in the bucket.
    """

    def __init__(self, local: Path, path: BucketPath) -> None:
        super().__init__(str(local), JournalLock(local))
        self._local, self._path = local, path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Adds records, and returns when they are in the bucket."""
        super().append_logs(logs)
        self._path.write_bytes(self._local.read_bytes())


class JournalLock(JournalFileOpenLock):
    """Holds a journal against writers, by a lock that the system frees when its holder is killed.

    Optuna's own locks are files: one that a killed process leaves stops the next for half a minute,
    and two waiting ones may both take it for stale. Under this lock no other process is writing, so
    whatever follows the last line break is the rest of a killed one's record: it is cut off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Waits for the lock, and leaves the journal ready to append to.

        Raises:
          InputError: another process does not let go, or the file cannot be locked.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise InputError(f"cannot write to {self._path}: {error.strerror}") from error
        try:
            self._lock(descriptor)
            _cut_torn_tail(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Frees the lock."""
        assert self._descriptor is not None
        os.close(self._descriptor)
        self._descriptor = None

    def _lock(self, descriptor: int) -> None:
        try:
            locks.take(descriptor, LOCK_SECONDS)
        except locks.Held:
            raise InputError(
                f"{self._path} has been locked by another process for"
                f" {LOCK_SECONDS:g} seconds; nothing was changed"
            ) from None
        except OSError as error:
            raise InputError(
                f"{self._path} cannot be locked ({error.strerror}); a file system without locks"
                " cannot hold a study, a database can (--storage)"
            ) from error


def _cut_torn_tail(descriptor: int) -> None:
    size = start = os.fstat(descriptor).st_size
    line_break = -1
    while start and line_break < 0:
        start = max(0, start - _BLOCK)
        line_break = os.pread(descriptor, _BLOCK, start).rfind(b"\n")
    whole = start + line_break + 1
    if whole < size:
        os.ftruncate(descriptor, whole)
