"""Reads checkpoints that the reference implementations (LV-BERT, ELECTRA) wrote."""

import contextlib
import glob
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from tensorflow.python.training.checkpoint_state_pb2 import CheckpointState

from lvbert_tf.errors import InputError, reason
from lvbert_tf.interop.foreign_weights import RestoreReport, restore
from lvbert_tf.interop.reference_names import layers_in_checkpoint, pretrainer_weights
from lvbert_tf.io.bucket_directories import check_whole, local_copy
from lvbert_tf.io.files import unusable
from lvbert_tf.io.paths import parse_path, under
from lvbert_tf.io.temporary import plain_prefix
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.settings.pretraining import PretrainingConfig

# The state of the reference's optimiser, which is saved beside the weights and not read.
_TRAINING_STATE = re.compile(r"(/adam_[mv]|^global_step)$")


_TOKEN_TABLE = "electra/embeddings/word_embeddings"


@contextlib.contextmanager
def _refusing(path: str) -> Iterator[None]:
    """Turns the errors that TensorFlow raises for absent and damaged files into one line."""
    try:
        yield
    except (tf.errors.OpError, IndexError) as error:  # IndexError: the data file is too short
        found = any(parse_path(path).parent.glob(f"{glob.escape(PurePath(path).name)}*"))
        problem = "unreadable" if found else "no such checkpoint"
        raise InputError(
            f"{path}: {problem}; expected the prefix of a TensorFlow checkpoint, as model.ckpt"
        ) from error


def _newest_in(directory: Path) -> Path:
    """The prefix of the checkpoint that the file `checkpoint` of a directory names.

    TensorFlow's `latest_checkpoint` is not for buckets, nor for files that may be damaged.
    """
    listed = directory / "checkpoint"
    try:
        content = listed.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{directory}: no checkpoint in this directory") from None
    except OSError as error:
        raise InputError(f"{listed} cannot be read: {reason(error)}") from error
    state = CheckpointState()
    with contextlib.suppress(text_format.ParseError, UnicodeDecodeError):
        text_format.Parse(content, state)
    name = state.model_checkpoint_path
    if not name or unusable(name) or under(directory, name).is_dir():
        raise InputError(f"{listed}: damaged; remove it, and give the prefix of the checkpoint")
    prefix = under(directory, name)
    if prefix.parent.resolve() != directory.resolve():
        raise InputError(f"{listed} names {prefix}, which is elsewhere; give that path")
    check_whole(directory)
    return prefix


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Yields TensorFlow's reader of a checkpoint, which reads from a copy of one in a bucket."""
    prefix = parse_path(path)
    if prefix.is_dir():
        prefix = _newest_in(prefix)
    with local_copy(prefix) as local, plain_prefix(local) as plain:
        with _refusing(str(prefix)):
            reader = tf.train.load_checkpoint(str(plain))
        yield reader


def is_reference_checkpoint(path: str) -> bool:
    """Whether `path` is a checkpoint with the reference's variable names."""
    try:
        with _opened(path) as reader:
            return reader.has_tensor(_TOKEN_TABLE)
    except InputError:
        return False


def count_token_embeddings(path: str) -> int:
    """The number of rows of the token table of a reference checkpoint."""
    with _opened(path) as reader:
        return reader.get_variable_to_shape_map()[_TOKEN_TABLE][0]


def restore_reference_weights(pretrainer: ElectraPretrainer, path: str) -> RestoreReport:
    """Assigns the variables of a reference checkpoint to the weights of a pre-trainer.

    Args:
        pretrainer: a built pre-trainer. Weights that the checkpoint lacks stay as they are.
        path: the prefix of the checkpoint, or the directory that holds it.

    Returns:
        the report of what was read.

    Raises:
        InputError: the checkpoint cannot be read, has none of the variables, or has a variable of
            another shape.
    """
    with _opened(path) as reader:
        shapes = {
            name: shape
            for name, shape in reader.get_variable_to_shape_map().items()
            if not _TRAINING_STATE.search(name)
        }

        def read(name):
            with _refusing(path):
                return reader.get_tensor(name)

        submodules = any("_submodule/" in name for name in shapes)
        weights = pretrainer_weights(pretrainer, submodules)
        return restore(weights, shapes, read, path, "the hparams")


def _sizes_in_checkpoint(shapes: Mapping[str, list[int]], path: str) -> dict[str, Any]:
    """The hparams that follow from the shapes of the variables."""
    names = [f"electra/embeddings/{kind}_embeddings" for kind in ("word", "position", "token_type")]
    absent = [name for name in names if name not in shapes]
    if absent:
        raise InputError(f"{path}: no {absent[0]} in it; not a reference checkpoint")
    tokens, positions, segments = (shapes[name] for name in names)
    return {
        "vocab_size": tokens[0],
        "embedding_size": tokens[1],
        "max_seq_length": min(128, positions[0]),
        "model_hparam_overrides": {
            "max_position_embeddings": positions[0],
            "type_vocab_size": segments[0],
        },
    }


def reference_config(path: str, hparams: Mapping[str, Any]) -> PretrainingConfig:
    """The settings of the run that wrote a reference checkpoint.

    The convolution reads padding, as the reference's does, unless `hparams` contain
    `mask_convolution_padding`.

    Args:
        path: the prefix of the checkpoint (`.../model.ckpt-1000000`), or the directory that holds it.
        hparams: the reference's dict of hyperparameters. The vocabulary size, the embedding size, the
            number of positions and the layers come from the checkpoint where the dict lacks them.

    Raises:
        InputError: the checkpoint cannot be read, or an hparam is unknown or not allowed.
    """
    with _opened(path) as reader:
        shapes = reader.get_variable_to_shape_map()
    sizes = _sizes_in_checkpoint(shapes, path)
    values = {"mask_convolution_padding": False, **sizes, **hparams}
    if not values.get("custom_layer_list"):
        values["custom_layer_list"] = layers_in_checkpoint(shapes) or None
    overrides = values["model_hparam_overrides"]
    if isinstance(overrides, Mapping):  # anything else is refused with the other bad hparams
        values["model_hparam_overrides"] = {**sizes["model_hparam_overrides"], **overrides}
    return PretrainingConfig.create("", "reference", values)


def load_reference_checkpoint(
    path: str,
    hparams: Mapping[str, Any],
    on_report: Callable[[RestoreReport], None] | None = None,
) -> ElectraPretrainer:
    """Builds the pre-trainer that a reference checkpoint was trained with, and reads its weights.

    Args:
        path: see `reference_config`.
        hparams: see `reference_config`.
        on_report: a function that is called with the report of what was read.

    Returns:
        the pre-trainer, float32.

    Raises:
        InputError: see `reference_config` and `restore_reference_weights`.
    """
    config = reference_config(path, hparams)
    pretrainer = ElectraPretrainer.from_networks(config.networks, dtype="float32")
    report = restore_reference_weights(pretrainer, path)
    if on_report is not None:
        on_report(report)
    return pretrainer
