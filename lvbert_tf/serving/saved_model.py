"""Writes versions of a SavedModel, for which a server may be watching."""

from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from lvbert_tf.errors import InputError, reason
from lvbert_tf.io import whole
from lvbert_tf.serving.model_card import model_card
from lvbert_tf.serving.servable_model import ServableModel
from lvbert_tf.serving.warmup import write_warmup_requests
from lvbert_tf.text.wordpiece_learner import write_vocabulary

CARD_FILE = "model_card.md"
VOCABULARY_FILE = "assets.extra/vocab.txt"
# Exported models are not trained, so they need no gradients.
_OPTIONS = tf.saved_model.SaveOptions(experimental_custom_gradients=False)


def export(model: ServableModel, output_dir: Path, license_name: str) -> Path:
    """Writes `output_dir/VERSION/`, where the version is one more than the last one.

    The directory gets its name when it is whole, so that a server that polls the folder never sees a
    part of it. Beside the SavedModel it holds warm-up requests, the vocabulary (for clients that send
    token ids) and a model card. The signatures contain the tokenizer in their graphs (`inputs`).

    Args:
      model: the model to export.
      output_dir: `SERVING/NAME`, where NAME is the name under which servers know the model.
      license_name: the license of the weights.

    Returns:
      The directory of the version.

    Raises:
      InputError: the directory cannot be written.
    """
    try:
        # Several processes may export into the same folder at the same time.
        with whole.draft(output_dir / "version", alone=False) as directory:
            _write(model, directory, output_dir.name, license_name)
            return _publish(directory, output_dir)
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"cannot write {output_dir}: {reason(error)}") from error


def _write(model: ServableModel, directory: Path, name: str, license_name: str) -> None:
    graphs = {key: graph.get_concrete_function() for key, graph in model.signatures.items()}
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    tf.saved_model.save(module, str(directory), graphs, _OPTIONS)
    _forget_gradients(directory / "saved_model.pb")
    write_warmup_requests(directory, name, model.signatures)
    write_vocabulary(directory / VOCABULARY_FILE, model.tokenizer.vocabulary.tokens)
    card = model_card(model, name, license_name)
    (directory / CARD_FILE).write_text(card, encoding="utf-8")


def _forget_gradients(path: Path) -> None:
    """Removes the names of gradients that were not saved, of which TensorFlow warns when it loads."""
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in saved.meta_graphs:
        for function in graph.graph_def.library.function:
            for node in function.node_def:
                node.attr.pop("_gradient_op_type", None)
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _publish(directory: Path, output_dir: Path) -> Path:
    """Gives a whole directory the number of the next version."""
    while True:
        target = output_dir / str(max(versions(output_dir), default=0) + 1)
        try:
            whole.publish(directory, target)
            return target
        except OSError:
            # If the target exists, another export took the number: try the next one.
            if not target.exists():
                raise


def versions(output_dir: Path) -> list[int]:
    """The versions in a directory, ascending."""
    names = (child.name for child in output_dir.iterdir())
    return sorted(int(name) for name in names if name.isdecimal())
