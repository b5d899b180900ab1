"""Errors that a user can act on."""


class InputError(ValueError):
    """Bad usage or bad input: one line saying what is wrong, where, and what is allowed.

    Programs print the message on standard error and exit with status 2, without a traceback.
    """
