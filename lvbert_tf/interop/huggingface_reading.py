"""Reads the networks of pre-training that transformers has saved."""

import dataclasses

from lvbert_tf.architecture.model_config import WEIGHT_FIELDS
from lvbert_tf.errors import InputError
from lvbert_tf.interop.encoder_hparams import encoder_hparams
from lvbert_tf.interop.foreign_weights import RestoreReport
from lvbert_tf.interop.huggingface_formats import GENERATOR
from lvbert_tf.interop.huggingface_names import (
    discriminator_weights,
    generator_weights,
)
from lvbert_tf.interop.huggingface_saved import TransformersModel, find_models, same_bits
from lvbert_tf.models import ElectraPretrainer, LVBertBackbone
from lvbert_tf.settings.pretraining import PretrainingConfig


def load_huggingface(path: str) -> tuple[ElectraPretrainer, PretrainingConfig, RestoreReport]:
    """Builds the pre-trainer of the models at a path; see `find_models` and `load_pair`."""
    return load_pair([TransformersModel.load(directory) for directory in find_models(path)], path)


def load_pair(
    parts: list[TransformersModel], path: str
) -> tuple[ElectraPretrainer, PretrainingConfig, RestoreReport]:
    """Builds the pre-trainer of a discriminator, a generator, or both, and reads its weights.

    Args:
        parts: one or two models, none of them fine-tuned.
        path: where they are, for messages.

    Returns:
        the pre-trainer, float32; the settings that build it; and the report of what was read. A
        generator alone becomes a masked language model, without a replaced token head.

    Raises:
        InputError: a weight has another shape, or the models are a pair that pre-training cannot make.
    """
    discriminator = next((part for part in parts if part.kind != GENERATOR), None)
    generator = next((part for part in parts if part.kind == GENERATOR), None)
    if len(parts) == 2 and (discriminator is None or generator is None):
        raise InputError(f"{path}: expected a discriminator and a generator, found two of a kind")
    config = _pretraining_config(discriminator, generator)
    if discriminator is not None and generator is not None:
        _check_pair(config, discriminator, generator)
    pretrainer = ElectraPretrainer.from_networks(config.networks, dtype="float32")
    reports = []
    if discriminator is not None:
        head = pretrainer.replaced_token_head
        weights = discriminator_weights(pretrainer.discriminator, head, discriminator.code)
        reports.append(discriminator.restore(weights))
    if generator is not None:
        assert isinstance(pretrainer.generator, LVBertBackbone)
        head = pretrainer.masked_lm_head
        reports.append(
            generator.restore(generator_weights(pretrainer.generator, head, generator.code))
        )
    return pretrainer, config, _together(reports)


def _pretraining_config(
    discriminator: TransformersModel | None, generator: TransformersModel | None
) -> PretrainingConfig:
    main = discriminator or generator
    assert main is not None  # find_models found one
    hparams = {
        **encoder_hparams(main.config),
        "custom_layer_list": main.config.layer_string,
        "mask_convolution_padding": main.config.mask_convolution_padding,
    }
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


def _share_embeddings(discriminator: TransformersModel, generator: TransformersModel) -> bool:
    scope = f"{discriminator.code.model_type}.embeddings."
    names = [name for name in discriminator.tensors if name.startswith(scope)]
    return all(
        same_bits(discriminator.tensors[name], generator.tensors.get(name)) for name in names
    )


def _check_pair(
    config: PretrainingConfig, discriminator: TransformersModel, generator: TransformersModel
) -> None:
    """Refuses a generator whose sizes do not follow from those of the discriminator."""
    assert config.generator is not None
    if discriminator.code is not generator.code:
        raise InputError(
            f"{discriminator.directory} has model_type {discriminator.code.model_type}, but"
            f" {generator.directory} {generator.code.model_type}; convert each by itself"
        )
    differences = config.generator.differences(
        generator.config, WEIGHT_FIELDS, "follows from the discriminator", f"in {generator.where}"
    )
    if differences:
        raise InputError(
            f"{generator.directory} does not fit the discriminator beside it"
            f" ({'; '.join(differences)}); convert each by itself"
        )


def _together(reports: list[RestoreReport]) -> RestoreReport:
    def joined(what):
        return tuple(item for report in reports for item in getattr(report, what))

    return RestoreReport(*(joined(field.name) for field in dataclasses.fields(RestoreReport)))
