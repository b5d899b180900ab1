"""Writes ELECTRA models that Hugging Face's transformers read."""

from dataclasses import dataclass
from pathlib import Path

import safetensors.numpy

from lvbert_tf.errors import InputError
from lvbert_tf.files import replace_file, write_json
from lvbert_tf.interop.foreign_weights import ForeignWeight
from lvbert_tf.interop.huggingface_config import make_model_config
from lvbert_tf.interop.huggingface_names import discriminator_weights, generator_weights
from lvbert_tf.interop.huggingface_reading import DISCRIMINATOR, GENERATOR
from lvbert_tf.interop.huggingface_tokenizer import write_tokenizer
from lvbert_tf.interop.reference_writing import is_transformer
from lvbert_tf.interop.safetensors_files import WEIGHTS
from lvbert_tf.layer_string import LayerString
from lvbert_tf.models import ElectraPretrainer, LVBertBackbone, LVBertTokenizer


@dataclass(frozen=True)
class HuggingFaceModel:
    """One directory to write.

    Args:
        name: of the directory.
        architecture: the class in transformers.
        backbone: the encoder.
        weights: its weights and its head's.
    """

    name: str
    architecture: str
    backbone: LVBertBackbone
    weights: list[ForeignWeight]


def huggingface_models(pretrainer: ElectraPretrainer) -> list[HuggingFaceModel]:
    """What a pre-trainer is in transformers: a discriminator, a generator, or both.

    A two-tower generator has no counterpart there and is left out.

    Raises:
        InputError: an encoder's layers are not AF repeated.
    """
    models = []
    discriminator, generator = pretrainer.discriminator, pretrainer.generator
    if pretrainer.replaced_token_head is not None or generator is None:
        weights = discriminator_weights(discriminator, pretrainer.replaced_token_head)
        models.append((DISCRIMINATOR, "ElectraForPreTraining", discriminator, weights))
    if generator is not None and pretrainer.right_to_left_generator is None:
        weights = generator_weights(generator, pretrainer.masked_lm_head)
        models.append((GENERATOR, "ElectraForMaskedLM", generator, weights))
    for name, _, backbone, _ in models:
        if not is_transformer(LayerString.parse(backbone.layer_string)):
            raise InputError(
                f"the {name}'s layer string is {backbone.layer_string}; Hugging Face's ELECTRA has"
                " only AF repeated"
            )
    return [HuggingFaceModel(*model[:3], list(model[3])) for model in models]


def write_huggingface(
    model: HuggingFaceModel,
    weights: list[ForeignWeight],
    tokenizer: LVBertTokenizer,
    directory: Path,
) -> None:
    """Writes `config.json`, `model.safetensors` and the tokenizer's files.

    Args:
        model: what to write.
        weights: those of the model's weights that are written.
        tokenizer: with its vocabulary.
        directory: below which the model's own is made.

    Raises:
        InputError: it cannot be written.
    """
    directory = directory / model.name
    directory.mkdir()
    tensors = {name: value for entry in weights for name, value in entry.split().items()}
    # transformers refuses a file that does not say where its tensors come from.
    content = safetensors.numpy.save(tensors, metadata={"format": "pt"})
    replace_file(directory / WEIGHTS, content)
    pad_id = tokenizer.tokenizer.vocabulary.pad_id
    config = make_model_config(model.backbone, model.architecture, pad_id)
    write_json(directory / "config.json", config)
    write_tokenizer(tokenizer, model.backbone.max_sequence_length, directory)
