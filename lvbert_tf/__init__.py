"""LV-BERT in TensorFlow: pre-train, search, fine-tune and serve layer-variety language models."""

import os
import sys

__version__ = "0.1.0"


def _choose_backend() -> None:
    """Makes Keras compute with TensorFlow, whatever KERAS_BACKEND or its keras.json says.

    Keras decides that when it is imported, which every module here does after this one.
    """
    keras = sys.modules.get("keras")
    if keras is None:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    elif (backend := keras.config.backend()) != "tensorflow":
        raise ImportError(
            f"lvbert_tf needs Keras with TensorFlow, but keras was imported with {backend}: set"
            " KERAS_BACKEND=tensorflow, or import lvbert_tf first"
        )


_choose_backend()
