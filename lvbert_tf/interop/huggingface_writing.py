"""Writes models that Hugging Face's transformers read: ELECTRA's, or LV-BERT's with its own code."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras_hub
import safetensors.numpy

from lvbert_tf.architecture.layer_string import LayerString
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
from lvbert_tf.interop.huggingface_heads import head_format, outputs_in_units
from lvbert_tf.interop.huggingface_names import (
    discriminator_weights,
    encoder_weights,
    generator_weights,
)
from lvbert_tf.interop.huggingface_tokenizer import write_tokenizer
from lvbert_tf.interop.reference_writing import is_transformer
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
    """One directory to write.

    Args:
        kind: of the model, and the name of the directory.
        code: that is to compute it.
        backbone: the encoder.
        weights: its weights and its head's.
        settings: what config.json says of the head.
        label_range: of a regressor.
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
    """What a model of ours is in transformers: that of a task, or a discriminator, a generator, or both.

    A two-tower generator has no counterpart there and is left out.

    Args:
        pretrainer: the networks.
        task: a fine-tuned model, whose encoder is the discriminator; None: of pre-training.
        code: that is to compute them; None: ELECTRA's if it can, else our own.

    Raises:
        InputError: the code cannot compute one of them; says why.
    """
    parts = _parts(pretrainer, task)
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
    """Writes `config.json`, `model.safetensors`, the tokenizer's files and the code, if it is ours.

    Args:
        model: what to write.
        weights: those of the model's weights that are written.
        tokenizer: with its vocabulary.
        directory: below which the model's own is made.

    Raises:
        InputError: it cannot be written.
    """
    directory = directory / model.kind
    directory.mkdir()
    tensors = {name: value for entry in weights for name, value in entry.split().items()}
    if model.label_range is not None:
        tensors = outputs_in_units(tensors, *model.label_range)
    if model.code is ELECTRA:
        tensors = pack_head(tensors)
    # transformers refuses a file that does not say where its tensors come from.
    content = safetensors.numpy.save(tensors, metadata={"format": "pt"})
    replace_file(directory / WEIGHTS, content)
    pad_id = tokenizer.tokenizer.vocabulary.pad_id
    config = make_model_config(model.backbone, model.code, model.kind, pad_id)
    write_json(directory / "config.json", {**config, **model.settings})
    write_tokenizer(tokenizer, model.backbone.max_sequence_length, directory)
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


def _layers(kind: str, backbone: LVBertBackbone) -> list[str]:
    if is_transformer(LayerString.parse(backbone.layer_string)):
        return []
    return [f"the {kind}'s layer string is {backbone.layer_string}, and it has only AF repeated"]


def _check_outputs(task: keras_hub.models.Task) -> None:
    """Refuses a classifier whose outputs are neither logits nor the softmax of logits."""
    if isinstance(task, LVBertTextClassifier):
        name = task.activation.__name__
        if name not in ("linear", "softmax"):
            raise InputError(
                f"the classifier's outputs are {name} of its logits; transformers' are logits, of"
                " which it takes the softmax"
            )
