"""Reads ELECTRA models that Hugging Face's transformers wrote."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lvbert_tf.config import PretrainingConfig
from lvbert_tf.errors import InputError
from lvbert_tf.files import read_json_object
from lvbert_tf.interop.encoder_hparams import encoder_hparams
from lvbert_tf.interop.foreign_weights import ForeignWeight, RestoreReport, restore
from lvbert_tf.interop.huggingface_config import read_model_config
from lvbert_tf.interop.huggingface_names import (
    discriminator_weights,
    generator_weights,
)
from lvbert_tf.interop.safetensors_files import WEIGHTS, is_position_ids, read_tensors
from lvbert_tf.model_config import ModelConfig
from lvbert_tf.models import ElectraPretrainer, LVBertBackbone

DISCRIMINATOR, GENERATOR = "discriminator", "generator"
_OUTPUT_MATRIX = "generator_lm_head.weight"
_TABLE = "electra.embeddings.word_embeddings.weight"
_SIZES = (
    *("layer_string", "hidden_dim", "num_heads", "intermediate_dim"),
    *("vocabulary_size", "embedding_dim", "max_sequence_length", "num_segments"),
)


@dataclass(frozen=True)
class _Saved:
    """One directory of transformers: a discriminator or a generator."""

    directory: Path
    is_generator: bool
    config: ModelConfig
    tensors: dict[str, np.ndarray]

    @classmethod
    def load(cls, directory: Path) -> "_Saved":
        path = directory / "config.json"
        values = read_json_object(path)
        config = read_model_config(values, str(path))
        tensors = read_tensors(directory)
        if any(name.startswith("generator_") for name in tensors):
            is_generator = True
        else:
            is_generator = values.get("architectures") == ["ElectraForMaskedLM"]
        return cls(directory, is_generator, config, _canonical(tensors, directory))

    def restore(self, entries: Iterator[ForeignWeight]) -> RestoreReport:
        shapes = {name: tensor.shape for name, tensor in self.tensors.items()}
        where = str(self.directory / WEIGHTS)
        return restore(entries, shapes, self.tensors.__getitem__, where, "config.json")


def load_huggingface(path: str) -> tuple[ElectraPretrainer, PretrainingConfig, RestoreReport]:
    """Builds the pre-trainer that Hugging Face directories hold, and reads its weights.

    Args:
        path: a directory with config.json and model.safetensors, of `ElectraForPreTraining` or
            `ElectraForMaskedLM`; or one with such directories `discriminator/` and `generator/`.

    Returns:
        the pre-trainer, float32 (a generator alone is a masked language model without a
        discriminator's head); the configuration that builds it; what was loaded, missing, unused.

    Raises:
        InputError: unreadable or damaged files, another model than ELECTRA, or a pair that no
            pre-training of ours could have made.
    """
    parts = [_Saved.load(directory) for directory in find_models(path)]
    discriminator = next((part for part in parts if not part.is_generator), None)
    generator = next((part for part in parts if part.is_generator), None)
    if len(parts) == 2 and (discriminator is None or generator is None):
        raise InputError(f"{path}: expected a discriminator and a generator, found two of a kind")
    config = _pretraining_config(discriminator, generator)
    if discriminator is not None and generator is not None:
        _check_pair(config, generator)
    pretrainer = ElectraPretrainer.from_pretraining_config(config, dtype="float32")
    reports = []
    if discriminator is not None:
        head = pretrainer.replaced_token_head
        entries = discriminator_weights(pretrainer.discriminator, head)
        reports.append(discriminator.restore(entries))
    if generator is not None:
        assert isinstance(pretrainer.generator, LVBertBackbone)
        entries = generator_weights(pretrainer.generator, pretrainer.masked_lm_head)
        reports.append(generator.restore(entries))
    return pretrainer, config, _together(reports)


def find_models(path: str) -> list[Path]:
    """The directories with a model: `path` itself, or its discriminator/ and generator/.

    Raises:
        InputError: there is none.
    """
    directory = Path(path)
    if (directory / "config.json").exists():
        return [directory]
    found = [directory / part for part in (DISCRIMINATOR, GENERATOR)]
    found = [part for part in found if (part / "config.json").exists()]
    if not found:
        raise InputError(
            f"{path}: no config.json in it, nor in {DISCRIMINATOR}/ or {GENERATOR}/ below it"
        )
    return found


def _canonical(tensors: dict[str, np.ndarray], directory: Path) -> dict[str, np.ndarray]:
    """Names with their prefix, without buffers and without the copy of the word embeddings."""
    if not any(name.startswith("electra.") for name in tensors):
        # `ElectraModel` saves itself without the prefix that models above it give it.
        tensors = {f"electra.{name}": tensor for name, tensor in tensors.items()}
    tensors = {name: tensor for name, tensor in tensors.items() if not is_position_ids(name)}
    matrix = tensors.pop(_OUTPUT_MATRIX, None)
    if matrix is not None and not _same(matrix, tensors.get(_TABLE)):
        raise InputError(
            f"{directory / WEIGHTS}: {_OUTPUT_MATRIX} is not the table of word embeddings; a"
            " generator with an output matrix of its own cannot be read"
        )
    return tensors


def _pretraining_config(
    discriminator: _Saved | None, generator: _Saved | None
) -> PretrainingConfig:
    main = discriminator or generator
    assert main is not None  # find_models found one
    hparams = {**encoder_hparams(main.config), "custom_layer_list": main.config.layer_string}
    if discriminator is None:
        hparams["electra_objective"] = False
    elif generator is None:
        hparams["uniform_generator"] = True
    else:
        hparams["generator_hidden_size"] = generator.config.hidden_dim / main.config.hidden_dim
        hparams["generator_layer_list"] = generator.config.layer_string
        hparams["untied_generator_embeddings"] = not _share_embeddings(discriminator, generator)
    try:
        return PretrainingConfig.create("", "huggingface", hparams)
    except InputError as error:
        raise InputError(f"{main.directory}: {error}") from error


def _share_embeddings(discriminator: _Saved, generator: _Saved) -> bool:
    names = [name for name in discriminator.tensors if name.startswith("electra.embeddings.")]
    return all(_same(discriminator.tensors[name], generator.tensors.get(name)) for name in names)


def _same(one: np.ndarray, other: np.ndarray | None) -> bool:
    # The bits, as the sign of a zero and a NaN count too.
    return other is not None and one.shape == other.shape and one.tobytes() == other.tobytes()


def _check_pair(config: PretrainingConfig, generator: _Saved) -> None:
    """Refuses a generator of sizes that do not follow from the discriminator's."""
    assert config.generator is not None
    differences = config.generator.differences(generator.config, _SIZES)
    if differences:
        raise InputError(
            f"{generator.directory} does not fit the discriminator beside it"
            f" ({'; '.join(differences)}); convert each by itself"
        )


def _together(reports: list[RestoreReport]) -> RestoreReport:
    def joined(what):
        return tuple(item for report in reports for item in getattr(report, what))

    return RestoreReport(*(joined(field.name) for field in dataclasses.fields(RestoreReport)))
