"""Importing TensorFlow and Keras without what they print, and without a user's settings of Keras."""

import contextlib
import gc
import os
import sys
from collections.abc import Iterable, Iterator

# Keras imports these for wrappers, galleries and data frames, which no program uses. They would take
# a third of the time until a program begins.
_UNUSED = ("matplotlib", "pandas", "sklearn")


def import_tensorflow() -> None:
    """Imports TensorFlow, its text operations and Keras with standard error closed meanwhile.

    TensorFlow tells about the processor and missing GPU libraries before its log level takes
    effect, several lines for each process. If the import fails, the exception says why.

    Keras has its own defaults: what a user's keras.json says (floatx, epsilon, image_data_format)
    is for other models, and would change the numbers of ours.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        with _no_keras_json(), _hidden(_UNUSED), _kept_for_good():
            import keras  # noqa: F401
            import tensorflow_text  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _no_keras_json() -> Iterator[None]:
    # Keras reads the file below KERAS_HOME when it is imported, and never again.
    kept = os.environ.get("KERAS_HOME")
    os.environ["KERAS_HOME"] = os.devnull
    try:
        yield
    finally:
        del os.environ["KERAS_HOME"]
        if kept is not None:
            os.environ["KERAS_HOME"] = kept


@contextlib.contextmanager
def _kept_for_good() -> Iterator[None]:
    """Python's garbage collector does not look at the objects that are made inside the context.

    They are hundreds of thousands, the modules of TensorFlow and Keras, and none of them is garbage.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def _hidden(names: Iterable[str]) -> Iterator[None]:
    """Inside the context, packages that are not imported yet seem not to be installed."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # importing it then raises
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
