"""Where a study is kept: a journal file, or a database that several machines share."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from lvbert_tf.errors import InputError

LOCK_SECONDS = 30.0  # a write takes milliseconds, so whoever holds the lock longer is stuck
ATTEMPT_SECONDS = 1.0
_RECORD_START = b'{"op_code":'
_BLOCK = 4096  # bytes; a record of a trial has a few thousand

_DATABASE_ERRORS = (sqlalchemy.exc.SQLAlchemyError, StorageInternalError)


def open_storage(journal: Path, url: str = "") -> BaseStorage:
    """Opens the storage of a study, and creates it where there is none.

    Args:
      journal: the journal file, used without a URL. What a killed process wrote of a last record
        is cut off before the next one is written; nothing else is ever changed.
      url: of a database, as SQLAlchemy reads it, e.g. `postgresql://user:password@host/name`.

    Raises:
      InputError: the journal is not one, is damaged or cannot be opened; the database cannot be
        reached, or its driver is missing.
    """
    return _open_database(url) if url else _open_journal(journal)


@contextlib.contextmanager
def database_errors() -> Iterator[None]:
    """Turns failures of a database that was reachable before into an InputError."""
    try:
        yield
    except _DATABASE_ERRORS as error:
        raise InputError(
            f"the study's database failed ({_reason(error)}); what was written is kept: run the"
            " same command again to go on"
        ) from error


def _open_database(url: str) -> BaseStorage:
    try:
        shown = sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:  # its message may have the password
        raise InputError(
            "the storage is not the URL of a database, such as sqlite:///search.db or"
            " postgresql://user:password@host/name"
        ) from None
    try:
        return _connect(url, attempts=3)
    except (*_DATABASE_ERRORS, ImportError, RuntimeError) as error:
        raise InputError(f"cannot open the study's database {shown}: {_reason(error)}") from error


def _connect(url: str, attempts: int) -> BaseStorage:
    # Processes that create the tables of a database at the same time stop each other.
    try:
        return RDBStorage(url)
    except sqlalchemy.exc.DBAPIError:
        if attempts == 1:
            raise
    time.sleep(ATTEMPT_SECONDS)
    return _connect(url, attempts - 1)


def _reason(error: Exception) -> str:
    """The driver's words, without SQLAlchemy's, which go over several lines."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    return str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]


def _open_journal(path: Path) -> BaseStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        _check_records(path)
    except OSError as error:
        raise InputError(f"cannot open the journal {path}: {error.strerror}") from error
    try:
        return JournalStorage(JournalFileBackend(str(path), JournalLock(path)))
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
    return isinstance(record, dict) and isinstance(record.get("op_code"), int)


def _is_torn(tail: bytes) -> bool:
    """Whether it can be what a killed process, or zeros that a crash left, has of a last record."""
    return tail.startswith(_RECORD_START[: len(tail)]) or not tail.strip(b"\0")


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
            self._wait(descriptor)
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

    def _wait(self, descriptor: int) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        pause = 0.001
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise InputError(
                        f"{self._path} has been locked by another process for"
                        f" {LOCK_SECONDS:g} seconds; nothing was changed"
                    ) from None
            except OSError as error:
                raise InputError(
                    f"{self._path} cannot be locked ({error.strerror}); a file system without locks"
                    " cannot hold a study, a database can (--storage)"
                ) from error
            time.sleep(pause)
            pause = min(2 * pause, 0.05)


def _cut_torn_tail(descriptor: int) -> None:
    size = start = os.fstat(descriptor).st_size
    line_break = -1
    while start and line_break < 0:
        start = max(0, start - _BLOCK)
        line_break = os.pread(descriptor, _BLOCK, start).rfind(b"\n")
    whole = start + line_break + 1
    if whole < size:
        os.ftruncate(descriptor, whole)
