"""Writes models for transformers: as ELECTRA, or as LV-BERT with its own code."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras_hub
import safetensors.numpy

from lvbert_tf.errors import InputError
from lvbert_tf.interop.electra_heads import pack_head
from lvbert_tf.interop.foreign_weights import ForeignWeight
from lvbert_tf.interop.huggingface_config import make_model_config
from lvbert_tf.interop.huggingface_formats import (
    DISCRIMINATOR,
    ELECTRA,
    GENERATOR,
    LV_BERT,
    REGRESSOR,
    Code,
)
from lvbert_tf.interop.huggingface_heads import head_format, scale_to_labels
from lvbert_tf.interop.huggingface_names import (
    discriminator_weights,
    encoder_weights,
    generator_weights,
)
from lvbert_tf.interop.huggingface_tokenizer import write_tokenizer
from lvbert_tf.interop.safetensors_files import WEIGHTS
from lvbert_tf.io.whole import replace_file, write_json
from lvbert_tf.models import (
    ElectraPretrainer,
    LVBertBackbone,
    LVBertTextClassifier,
    LVBertTokenizer,
)

_OWN_CODE = Path(__file__).parent / "huggingface_code"


@dataclass(frozen=True)
class HuggingFaceModel:
    """A model to write into a directory of its own.

    Args:
        kind: the kind of the model, a key of `CLASSES`, and the name of the directory.
        code: the code that is to compute the model.
        backbone: the encoder.
        weights: the weights of the encoder and the head.
        settings: the entries of config.json for the head.
        label_range: the range of a regressor's labels; None for other kinds.
    """

    kind: str
    code: Code
    backbone: LVBertBackbone
    weights: list[ForeignWeight]
    settings: dict[str, Any] = field(default_factory=dict)
    label_range: tuple[float, float] | None = None


def huggingface_models(
    pretrainer: ElectraPretrainer, task: keras_hub.models.Task | None, code: Code | None
) -> list[HuggingFaceModel]:
    """Lists the models of transformers that one of our models becomes.

    A task becomes one model; a pre-trainer becomes a discriminator, a generator, or both. A two-tower
    generator is left out, because transformers has no such model.

    Args:
        pretrainer: the networks of pre-training, or those that hold the encoder of the task.
        task: a fine-tuned model, whose encoder is the discriminator of `pretrainer`; None for a
            pre-trainer.
        code: the code that is to compute the models. None means ELECTRA's if it can, and else our own.

    Raises:
        InputError: the code cannot compute one of the models. The message gives the reasons.
    """
    parts = _parts(pretrainer, task)
    for kind, backbone in parts:
        _check_direction(kind, backbone)
    obstacles = [obstacle for kind, backbone in parts for obstacle in _layers(kind, backbone)]
    if task is not None:
        _check_outputs(task)
        obstacles += head_format(task).obstacles(task)
    if code is ELECTRA and obstacles:
        raise InputError(
            f"Hugging Face's ELECTRA cannot hold the model: {'; '.join(obstacles)};"
            f" huggingface_code {LV_BERT.model_type} writes it with PyTorch code of its own"
        )
    chosen = code or (LV_BERT if obstacles else ELECTRA)
    if task is None:
        return [
            HuggingFaceModel(kind, chosen, backbone, _pretrainer_weights(pretrainer, kind, chosen))
            for kind, backbone in parts
        ]
    head = head_format(task)
    weights = [*encoder_weights(task.backbone, chosen), *head.weights(task)]
    label_range = task.label_range if head.kind == REGRESSOR else None
    settings = head.settings(task)
    return [HuggingFaceModel(head.kind, chosen, task.backbone, weights, settings, label_range)]


def write_huggingface(
    model: HuggingFaceModel,
    weights: list[ForeignWeight],
    tokenizer: LVBertTokenizer,
    directory: Path,
) -> None:
    """Writes `config.json`, `model.safetensors`, the tokenizer's files and, if it is ours, the code.

    Args:
        model: the model.
        weights: the weights to write: all of the model's, or some.
        tokenizer: a tokenizer with a vocabulary.
        directory: the directory in which the model gets a directory of its own.

    Raises:
        InputError: a file cannot be written.
    """
    directory = directory / model.kind
    directory.mkdir()
    tensors = {name: value for entry in weights for name, value in entry.split().items()}
    if model.label_range is not None:
        tensors = scale_to_labels(tensors, *model.label_range)
    if model.code is ELECTRA:
        tensors = pack_head(tensors)
    # transformers refuses a file without this entry, which names the framework of the tensors.
    content = safetensors.numpy.save(tensors, metadata={"format": "pt"})
    replace_file(directory / WEIGHTS, content)
    pad_id = tokenizer.tokenizer.vocabulary.pad_id
    config = make_model_config(model.backbone.config, model.code, model.kind, pad_id)
    write_json(directory / "config.json", {**config, **model.settings})
    write_tokenizer(tokenizer, model.backbone.config.max_sequence_length, directory)
    if model.code is LV_BERT:
        for path in sorted(_OWN_CODE.glob("*_lv_bert.py")):
            replace_file(directory / path.name, path.read_bytes())


def _parts(
    pretrainer: ElectraPretrainer, task: keras_hub.models.Task | None
) -> list[tuple[str, LVBertBackbone]]:
    if task is not None:
        return [(head_format(task).kind, task.backbone)]
    parts = []
    generator = pretrainer.generator
    if pretrainer.replaced_token_head is not None or generator is None:
        parts.append((DISCRIMINATOR, pretrainer.discriminator))
    if generator is not None and pretrainer.right_to_left_generator is None:
        parts.append((GENERATOR, generator))
    return parts


def _pretrainer_weights(
    pretrainer: ElectraPretrainer, kind: str, code: Code
) -> list[ForeignWeight]:
    if kind == GENERATOR:
        assert isinstance(pretrainer.generator, LVBertBackbone)
        return list(generator_weights(pretrainer.generator, pretrainer.masked_lm_head, code))
    head = pretrainer.replaced_token_head
    return list(discriminator_weights(pretrainer.discriminator, head, code))


def _check_direction(kind: str, backbone: LVBertBackbone) -> None:
    if backbone.config.direction != "both":
        raise InputError(
            f"the {kind}'s positions look {backbone.config.direction}; in transformers they look to"
            " both sides"
        )


def _layers(kind: str, backbone: LVBertBackbone) -> list[str]:
    layers = backbone.config.layer_string
    if layers.is_transformer:
        return []
    return [f"the {kind}'s layer string is {layers}, and it has only AF repeated"]


def _check_outputs(task: keras_hub.models.Task) -> None:
    """Refuses a classifier whose outputs are neither logits nor the softmax of logits."""
    if isinstance(task, LVBertTextClassifier):
        name = task.activation.__name__
        if name not in ("linear", "softmax"):
            raise InputError(
                f"the classifier's outputs are {name} of its logits; transformers' are logits, of"
                " which it takes the softmax"
            )
