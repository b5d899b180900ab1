"""What reduced precision costs an exported classifier in accuracy."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from lvbert_tf.cli import say
from lvbert_tf.serving.servable_model import load_servable_model
from lvbert_tf.serving.versions import export

_BATCH = 32


def accuracy_cost(model_dir: Path, rows: Sequence[str]) -> str:
    """Exports a model in float32 and bfloat16 and asks both about labelled texts.

    Args:
      model_dir: what `export_saved_model.py` takes.
      rows: `text\\tlabel`.

    Returns:
      two lines for people.

    Raises:
      InputError: there is no such model.
    """
    texts, labels = zip(*(row.rsplit("\t", 1) for row in rows), strict=True)
    accuracy, predicted, likely = {}, {}, {}
    for precision in ("float32", "bfloat16"):
        with tempfile.TemporaryDirectory() as directory:
            model = load_servable_model(model_dir, None, precision, say)
            version = export({"savedmodel": model}, Path(directory, "model"), "not stated")
            served = tf.saved_model.load(str(version))
        predicted[precision], likely[precision] = predictions(served, texts)
        accuracy[precision] = np.mean(predicted[precision] == np.array(labels))
    differences = np.abs(likely["float32"] - likely["bfloat16"]).max(-1)
    changed = np.count_nonzero(predicted["float32"] != predicted["bfloat16"])
    return (
        f"{len(rows)} texts: accuracy {accuracy['float32']:.4f} in float32,"
        f" {accuracy['bfloat16']:.4f} in bfloat16; {changed} labels differ\n"
        f"probabilities differ by {differences.max():.4f} at most, {differences.mean():.5f} in the mean"
    )


def predictions(served, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The labels and probabilities of a SavedModel."""
    outputs = [
        served.signatures["serving_default"](text=tf.constant(texts[start : start + _BATCH]))
        for start in range(0, len(texts), _BATCH)
    ]
    labels = np.concatenate([part["label"].numpy() for part in outputs]).astype(str)
    return labels, np.concatenate([part["probabilities"].numpy() for part in outputs])
