"""Writes versions of an exported model, for which a server may be watching."""

import contextlib
import errno
import glob
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from lvbert_tf.errors import InputError, reason
from lvbert_tf.interop.tokenizer_json import tokenizer_json
from lvbert_tf.io import locks, whole
from lvbert_tf.io.bucket_directories import is_half_written
from lvbert_tf.io.paths import BucketPath
from lvbert_tf.serving.calibration import Inputs
from lvbert_tf.serving.engines import write_onnx, write_openvino
from lvbert_tf.serving.inputs import INPUTS, takes_ids
from lvbert_tf.serving.model_card import model_card
from lvbert_tf.serving.saved_model import SAVED_MODEL_FILE, write_saved_model
from lvbert_tf.serving.servable_model import ServableModel
from lvbert_tf.serving.warmup import write_warmup_requests
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS
from lvbert_tf.text.wordpiece_learner import write_vocabulary

CARD_FILE = "model_card.md"
CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.json"
VOCABULARY_FILE = "assets.extra/vocab.txt"
# The name of a file by the signature that it holds.
_NAMES = {"predict_ids": "model", "fill_mask_ids": "fill_mask", "replaced_tokens_ids": "replaced"}
# What `publish` raises where there is a directory.
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY}

Files = dict[str, dict[str, str]]


def export(
    models: Mapping[str, ServableModel],
    output_dir: Path,
    license_name: str,
    precision: str = "float32",
    calibration: Sequence[Inputs] = (),
) -> Path:
    """Writes `output_dir/VERSION/`, where the version is one more than the last one.

    The directory gets its name when it is whole, so that a server that polls the folder never sees a
    part of it. Beside the files of the formats it holds the tokenizer for Hugging Face's `tokenizers`,
    `config.json` with what a client has to know, the vocabulary, and a model card.

    Args:
      models: the model, by the name of each format to write (`formats.FORMATS`); a SavedModel has the
        precision of its model's layers, the others are made of a model in float32.
      output_dir: `SERVING/NAME`, where NAME is the name under which servers know the model.
      license_name: the license of the weights.
      precision: the precision of all formats.
      calibration: for int8 in OpenVINO's format, inputs from `calibration_inputs`.

    Returns:
      The directory of the version.

    Raises:
      InputError: the directory cannot be written, or TensorFlow would find no SavedModel in it; or see
        `tokenizer_json`.
    """
    if "savedmodel" in models and glob.escape(str(output_dir)) != str(output_dir):
        raise InputError(f"{output_dir}: TensorFlow loads no SavedModel from a path with *, ? or [")
    try:
        # Several processes may export into the same folder at the same time.
        with whole.draft(output_dir / "version", alone=False) as directory:
            _write(models, directory, output_dir.name, license_name, precision, calibration)
            return _publish(directory, output_dir)
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"cannot write {output_dir}: {reason(error)}") from error


def _write(
    models: Mapping[str, ServableModel],
    directory: Path,
    name: str,
    license_name: str,
    precision: str,
    calibration: Sequence[Inputs],
) -> None:
    files: Files = {}
    for format_name, model in models.items():
        write = _WRITERS[format_name]
        files[format_name] = write(model, directory, name, precision, calibration)
    model = next(iter(models.values()))
    tokenizer = model.tokenizer
    write_vocabulary(directory / VOCABULARY_FILE, tokenizer.vocabulary.tokens)
    (directory / TOKENIZER_FILE).write_text(tokenizer_json(tokenizer), encoding="utf-8")
    config = {
        "format_version": 1,
        **model.description,
        "lowercase": tokenizer.lowercase,
        "strip_accents": tokenizer.strip_accents,
        "special_tokens": {token: tokenizer.vocabulary.id(token) for token in SPECIAL_TOKENS},
        "precision": precision,
        "inputs": INPUTS,
        "files": files,
    }
    whole.write_json(directory / CONFIG_FILE, config)
    card = model_card(model, name, license_name, precision, files)
    (directory / CARD_FILE).write_text(card, encoding="utf-8")


def _write_saved_model(
    model: ServableModel,
    directory: Path,
    name: str,
    precision: str,
    calibration: Sequence[Inputs],
) -> dict[str, str]:
    write_saved_model(directory, model.signatures, model.weights)
    write_warmup_requests(directory, name, model.signatures)
    return {signature: SAVED_MODEL_FILE for signature in _by_ids(model)}


def _write_onnx(
    model: ServableModel,
    directory: Path,
    name: str,
    precision: str,
    calibration: Sequence[Inputs],
) -> dict[str, str]:
    files = {signature: f"{_NAMES[signature]}.onnx" for signature in _by_ids(model)}
    for signature, file in files.items():
        graph = model.signatures[signature]
        write_onnx(directory / file, graph, model.weights, precision)
    return files


def _write_openvino(
    model: ServableModel,
    directory: Path,
    name: str,
    precision: str,
    calibration: Sequence[Inputs],
) -> dict[str, str]:
    files = {signature: f"openvino_{_NAMES[signature]}.xml" for signature in _by_ids(model)}
    for signature, file in files.items():
        graph = model.signatures[signature]
        write_openvino(directory / file, graph, model.weights, precision, calibration)
    return files


_WRITERS = {
    "savedmodel": _write_saved_model,
    "onnx": _write_onnx,
    "openvino": _write_openvino,
}


def _by_ids(model: ServableModel) -> list[str]:
    """The names of the signatures that take token ids."""
    return [
        name
        for name, graph in model.signatures.items()
        if takes_ids(graph) and name != "serving_default"
    ]


def _publish(directory: Path, output_dir: Path) -> Path:
    """Gives a whole directory the number of the next version."""
    if not isinstance(output_dir, BucketPath):
        return _publish_next(directory, output_dir)
    # One export after the other: what one is copying looks like what a killed one has left.
    with locks.holding(output_dir / ".version.lease", math.inf):
        for child in output_dir.iterdir():
            if child.name.isdecimal() and is_half_written(child):
                whole.remove(child)
        return _publish_next(directory, output_dir)


def _publish_next(directory: Path, output_dir: Path) -> Path:
    while True:
        target = output_dir / str(max(versions(output_dir), default=0) + 1)
        try:
            whole.publish(directory, target)
            return target
        except OSError as error:
            if error.errno in _TAKEN:  # another export has this number: try the next one
                continue
            with contextlib.suppress(OSError):
                if is_half_written(target):
                    whole.remove(target)
            raise


def versions(output_dir: Path) -> list[int]:
    """The versions in a directory, ascending."""
    names = (child.name for child in output_dir.iterdir())
    return sorted(int(name) for name in names if name.isdecimal())
