"""Importing TensorFlow without what it prints."""

import os


def import_tensorflow() -> None:
    """Imports TensorFlow and its text operations with standard error closed meanwhile.

    TensorFlow tells about the processor and missing GPU libraries before its log level takes
    effect, several lines for each process. If the import fails, the exception says why.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow_text  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
