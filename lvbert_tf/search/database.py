"""A study in a database, which several machines share, and which may be away for a while."""

import functools
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage, _CachedStorage

from lvbert_tf.errors import InputError
from lvbert_tf.search.database_url import parse_url, shown

RETRY_SECONDS = 120.0  # a server is started again, or another takes its place, in less
PAUSE_SECONDS = 1.0
_OPENING_ATTEMPTS = 3

_ERRORS = (sqlalchemy.exc.SQLAlchemyError, StorageInternalError)


def open_database(url: str) -> BaseStorage:
    """Opens a database, and makes its tables where there are none.

    Args:
      url: as SQLAlchemy reads it, e.g. `postgresql://user:password@host/name`.

    Raises:
      InputError: see `parse_url`, or it cannot be reached. No message shows a password.
    """
    parsed = parse_url(url)
    # Optuna fills the URL in as a template, in which braces have a meaning.
    template = parsed.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    try:
        return PatientStorage(_connect(template, _OPENING_ATTEMPTS))
    # The last two: an option that the driver does not know, or of another type.
    except (*_ERRORS, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"cannot open the study's database {shown(parsed)}: {_reason(error)}"
        ) from error


def _connect(url: str, attempts: int) -> RDBStorage:
    # Processes that create the tables of a database at the same time stop each other.
    try:
        return RDBStorage(url)
    except sqlalchemy.exc.DBAPIError:
        if attempts == 1:
            raise
    time.sleep(PAUSE_SECONDS)
    return _connect(url, attempts - 1)


class PatientStorage(_CachedStorage):
    """Optuna's storage, each of whose operations is tried again while the database is away.

    Trying again is safe where the first attempt was carried out and only its answer was lost: a
    second trial of a place does not count, and a trial that nobody has signed is taken again.
    An operation raises an InputError at once if the database refuses it (an SQLite file may be
    read-only, say), and otherwise after `RETRY_SECONDS` in which no operation of any thread succeeded.
    """

    def __init__(self, backend: RDBStorage) -> None:
        super().__init__(backend)
        self._failing_since: float | None = None
        self._failing_lock = threading.Lock()

    def _outlast(self, operation: Callable[[], Any]) -> Any:
        while True:
            try:
                result = operation()
            except _ERRORS as error:
                if not (_is_connection_loss(error) and self._may_come_back()):
                    raise InputError(
                        f"the study's database failed ({_reason(error)}); what was written is kept:"
                        " run the same command again to go on"
                    ) from error
            else:
                self._failing_since = None
                return result
            time.sleep(PAUSE_SECONDS)

    def _may_come_back(self) -> bool:
        now = time.monotonic()
        with self._failing_lock:
            if self._failing_since is None:
                self._failing_since = now
            return now - self._failing_since < RETRY_SECONDS


def _patient(operation: Callable) -> Callable:
    @functools.wraps(operation)
    def outlasting(self: PatientStorage, *arguments: Any, **options: Any) -> Any:
        return self._outlast(lambda: operation(self, *arguments, **options))

    return outlasting


# Whatever reads or writes; Optuna makes all else of these.
for _name in BaseStorage.__abstractmethods__:
    setattr(PatientStorage, _name, _patient(getattr(_CachedStorage, _name)))


def _is_connection_loss(error: Exception) -> bool:
    """Whether the database may answer if it is asked again."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    # Optuna takes a lost connection for a query that is too long, and tries a shorter one on it.
    if isinstance(cause, sqlalchemy.exc.PendingRollbackError):
        return True
    # Drivers raise these two when the server does not answer.
    if not isinstance(cause, (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError)):
        return False
    # SQLite has no server, and raises the same for a file that is full, read-only or missing. Waiting
    # helps only where another process is writing to the file.
    if isinstance(cause.orig, sqlite3.Error):
        return getattr(cause.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
    return True


def _reason(error: Exception) -> str:
    """The driver's words, without SQLAlchemy's, which go over several lines."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    return str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]
