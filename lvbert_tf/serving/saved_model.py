"""Writes SavedModels of signatures."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from lvbert_tf.serving.inputs import Signature

SAVED_MODEL_FILE = "saved_model.pb"
# Exported models are not trained, so they need no gradients.
_OPTIONS = tf.saved_model.SaveOptions(experimental_custom_gradients=False)


def write_saved_model(
    directory: Path, signatures: Mapping[str, Signature], weights: Sequence[keras.Variable]
) -> None:
    """Writes a SavedModel.

    Args:
      directory: an existing directory.
      signatures: the signatures of the SavedModel, by name.
      weights: all variables that the signatures read.

    Raises:
      OSError: the directory cannot be written.
      tf.errors.OpError: TensorFlow cannot write it.
    """
    graphs = {key: graph.get_concrete_function() for key, graph in signatures.items()}
    module = tf.Module()
    module.weights = [weight.value for weight in weights]
    tf.saved_model.save(module, str(directory), graphs, _OPTIONS)
    _forget_gradients(directory / SAVED_MODEL_FILE)


def _forget_gradients(path: Path) -> None:
    """Removes the names of gradients that were not saved, of which TensorFlow warns when it loads."""
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in saved.meta_graphs:
        for function in graph.graph_def.library.function:
            for node in function.node_def:
                node.attr.pop("_gradient_op_type", None)
    path.write_bytes(saved.SerializeToString(deterministic=True))
