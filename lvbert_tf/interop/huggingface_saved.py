"""Reads a model that transformers has saved: what kind of model it is, and its tensors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.errors import InputError
from lvbert_tf.interop.electra_heads import unpack_head
from lvbert_tf.interop.foreign_weights import ForeignWeight, RestoreReport, restore
from lvbert_tf.interop.huggingface_config import read_code, read_model_config
from lvbert_tf.interop.huggingface_formats import (
    CLASSES,
    CLASSIFIER,
    DISCRIMINATOR,
    ELECTRA,
    GENERATOR,
    REGRESSOR,
    SPAN_PREDICTOR,
    TAGGER,
    Code,
)
from lvbert_tf.interop.safetensors_files import is_position_ids, read_tensors
from lvbert_tf.io.files import read_json_object
from lvbert_tf.io.paths import parse_path

_OUTPUT_MATRIX = "generator_lm_head.weight"
# Where config.json does not name the class of a model, one of these tensors shows its kind.
_HEADS = {
    "generator_predictions.dense.weight": GENERATOR,
    "classifier.out_proj.weight": CLASSIFIER,
    "classifier.weight": TAGGER,
    "qa_outputs.weight": SPAN_PREDICTOR,
    "span_head.start_logit.weight": SPAN_PREDICTOR,
}


@dataclass(frozen=True)
class TransformersModel:
    """A model in the format of transformers, which it or this package has saved.

    Args:
        directory: the directory of the model.
        code: the code that computes the model.
        kind: the kind of the model, a key of `CLASSES`.
        values: the content of config.json.
        config: the shape of its encoder.
        tensors: all tensors, float32, with the names of `huggingface_names` and `huggingface_heads`.
    """

    directory: Path
    code: Code
    kind: str
    values: Mapping[str, Any]
    config: ModelConfig
    tensors: dict[str, np.ndarray]

    @classmethod
    def load(cls, directory: Path) -> "TransformersModel":
        """Reads config.json and the tensors.

        Args:
            directory: the directory of the model.

        Raises:
            InputError: a file is damaged, the model is neither ELECTRA's nor LV-BERT's, or it computes
                something that ours do not.
        """
        path = directory / "config.json"
        values = read_json_object(path)
        code = read_code(values, str(path))
        config = read_model_config(values, code, str(path))
        tensors = read_tensors(directory)
        kind = _kind(values, tensors, code)
        tensors = _canonical(tensors, code, directory)
        if code is ELECTRA:
            tensors = unpack_head(tensors)
        return cls(directory, code, kind, values, config, tensors)

    @property
    def where(self) -> str:
        """The path of its config.json, for messages."""
        return str(self.directory / "config.json")

    def restore(self, entries: Iterable[ForeignWeight]) -> RestoreReport:
        """Assigns the tensors to our weights; see `foreign_weights.restore`."""
        shapes = {name: tensor.shape for name, tensor in self.tensors.items()}
        where = f"the weights of {self.directory}"
        return restore(entries, shapes, self.tensors.__getitem__, where, "config.json")


def find_models(path: str) -> list[Path]:
    """The directories that hold a model: `path` itself, or those in it that have the name of a kind.

    Raises:
        InputError: there is no such directory.
    """
    directory = parse_path(path)
    if (directory / "config.json").exists():
        return [directory]
    found = [directory / kind for kind in CLASSES if (directory / kind / "config.json").exists()]
    if not found:
        *most, last = (f"{kind}/" for kind in CLASSES)
        raise InputError(
            f"{path}: no config.json in it, nor in {', '.join(most)} or {last} below it"
        )
    return found


def same_bits(one: np.ndarray, other: np.ndarray | None) -> bool:
    """Whether two arrays have the same bits, including the signs of zeros and the bits of NaNs."""
    return other is not None and one.shape == other.shape and one.tobytes() == other.tobytes()


def _kind(values: Mapping[str, Any], tensors: Iterable[str], code: Code) -> str:
    named = values.get("architectures")
    classes = {code.architecture(kind): kind for kind in reversed(CLASSES)}
    name = named[0] if isinstance(named, list) and named else None
    kind = classes.get(name) if isinstance(name, str) else None
    if kind is None:
        kind = next((kind for head, kind in _HEADS.items() if head in tensors), DISCRIMINATOR)
    if kind == CLASSIFIER and values.get("problem_type") == "regression":
        return REGRESSOR
    return kind


def _canonical(
    tensors: dict[str, np.ndarray], code: Code, directory: Path
) -> dict[str, np.ndarray]:
    """Completes the names, and leaves out buffers and the copy of the token table."""
    scope = code.model_type
    if not any(name.startswith(f"{scope}.") for name in tensors):
        # Only a model with a head puts this prefix before the names of its encoder.
        tensors = {f"{scope}.{name}": tensor for name, tensor in tensors.items()}
    tensors = {name: tensor for name, tensor in tensors.items() if not is_position_ids(name)}
    matrix = tensors.pop(_OUTPUT_MATRIX, None)
    table = tensors.get(f"{scope}.embeddings.word_embeddings.weight")
    if matrix is not None and not same_bits(matrix, table):
        raise InputError(
            f"{directory}: {_OUTPUT_MATRIX} is not the table of word embeddings; a"
            " generator with an output matrix of its own cannot be read"
        )
    return tensors
