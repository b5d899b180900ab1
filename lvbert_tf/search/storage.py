"""Where a study is kept: a journal file, or a database that several machines share."""

from pathlib import Path

from optuna.storages import BaseStorage

from lvbert_tf.search.database import open_database
from lvbert_tf.search.journal import open_journal


def open_storage(journal: Path, url: str = "") -> BaseStorage:
    """Opens the storage of a study, and creates it where there is none.

    Args:
      journal: the journal file, used without a URL.
      url: of a database, as SQLAlchemy reads it, e.g. `postgresql://user:password@host/name`.

    Raises:
      InputError: see `open_journal` and `open_database`; later, from any operation: the storage
        failed. What was written is kept.
    """
    return open_database(url) if url else open_journal(journal)
