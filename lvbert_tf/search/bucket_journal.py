"""Taking the journal of a study from a bucket, for one process at a time.

Nothing can be appended to an object. So the journal is a file of this machine, which is copied to the
bucket after every record, and a lease keeps other processes out until this one ends.
"""

import atexit
import contextlib
import functools
from pathlib import Path

from lvbert_tf.errors import InputError
from lvbert_tf.io import locks
from lvbert_tf.io.paths import BucketPath
from lvbert_tf.io.temporary import scratch_directory


@functools.cache
def hold_journal(path: BucketPath) -> Path:
    """Takes a journal for this process until it ends, and copies it to this machine.

    Returns:
      the file, which is missing where there is no journal yet.

    Raises:
      InputError: another process has it.
      OSError: the store cannot be used.
    """
    stack = contextlib.ExitStack()
    try:
        stack.enter_context(locks.holding(path.with_name(f".{path.name}.lease")))
    except locks.Held as held:
        raise InputError(
            f"{path} is in use, by {held}; several processes share a search through a database"
            " (--storage)"
        ) from None
    atexit.register(stack.close)
    local = stack.enter_context(scratch_directory()) / path.name
    if path.exists():
        path.parent.download({path.name: local})
    return local
