"""Errors that a user can act on."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad usage or bad input: one line saying what is wrong, where, and what is allowed.

    Programs print the message on standard error and exit with status 2, without a traceback.
    """

    # AutoGraph lets it pass; others, raised in a graph of tf.data's, become its own StagingError.
    ag_pass_through = True


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is spelled most like another, whatever the case: cola for CoLA.

    Args:
      known: one or more.
    """
    spelled = {other.casefold(): other for other in known}
    return spelled[difflib.get_close_matches(name.casefold(), spelled, n=1, cutoff=0.0)[0]]


def reason(error: Exception) -> str:
    """What the system said, without the operations and files that TensorFlow names around it."""
    said = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    return said.split("; ")[-1].split(" [Op:")[0].partition("\n")[0]
