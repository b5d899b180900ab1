"""The records of a run: opening them, and what a user can do where reading them fails."""

import contextlib
from collections.abc import Callable, Iterator

import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.io.patterns import divide_patterns, matching
from lvbert_tf.records.record_set import RecordSet, explain_data_error
from lvbert_tf.settings.parts import RecordSettings
from lvbert_tf.text.vocabulary import Vocabulary

# What TensorFlow raises where it reads records that were damaged or removed.
_READING_ERRORS = (
    *(tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.OutOfRangeError),
    tf.errors.UnknownError,  # of what is read from buckets
)
_PARSING = (
    "ParseExample"  # the operation that meets a record that is not like the first one of its file
)


def open_records(
    pattern: str, settings: RecordSettings, vocabulary: Vocabulary, say: Callable[[str], None]
) -> RecordSet:
    """Opens the records that a model is trained or evaluated on.

    Args:
      pattern: comma-separated paths, which may have wildcards.
      settings: what the records have to be like.
      vocabulary: the vocabulary of the model.
      say: called with a warning for each file that records are left out of.

    Raises:
      InputError: there are no records, they do not fit the settings or the vocabulary, or they are
        damaged.
    """
    records = RecordSet.open(pattern, settings, vocabulary)
    for file, count in records.corrupt_records.items():
        say(f"warning: {file}: {count} corrupt records are left out")
    return records


def open_held_out(
    pattern: str, settings: RecordSettings, vocabulary: Vocabulary, say: Callable[[str], None]
) -> RecordSet | None:
    """Opens the held-out records, or returns None where there are none.

    Of several directories some may have none: a small part of a corpus may have no held-out document.
    The arguments and errors are those of `open_records`.
    """
    found = [path for path in divide_patterns(pattern) if matching(path)]
    if not found:
        say(f"no held-out records match {pattern}: no evaluation")
        return None
    return open_records(",".join(found), settings, vocabulary, say)


@contextlib.contextmanager
def explained_errors(records: RecordSet) -> Iterator[None]:
    """Turns errors of reading records into what a user can do.

    Raises:
      InputError: TensorFlow has raised such an error.
    """
    try:
        yield
    except _READING_ERRORS as error:
        raise explain_data_error(error, records) from error
    except tf.errors.InvalidArgumentError as error:
        if _PARSING not in str(error):
            raise
        raise InputError(
            f"a record of {records.files[0]} or the other record files is no example of length"
            f" {records.max_seq_length}, as the first one is; build them again"
        ) from error
