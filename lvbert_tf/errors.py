"""Errors that a user can act on."""


class InputError(ValueError):
    """Bad usage or bad input: one line saying what is wrong, where, and what is allowed.

    Programs print the message on standard error and exit with status 2, without a traceback.
    """


def reason(error: Exception) -> str:
    """What the system said, without the operations and files that TensorFlow names around it."""
    said = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    return said.split("; ")[-1].split(" [Op:")[0].partition("\n")[0]
