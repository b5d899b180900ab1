"""Writes checkpoints that the reference implementations (LV-BERT and ELECTRA) can read."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lvbert_tf.errors import InputError, reason
from lvbert_tf.interop.encoder_hparams import encoder_hparams
from lvbert_tf.interop.foreign_weights import ForeignWeight
from lvbert_tf.interop.reference_names import pretrainer_weights
from lvbert_tf.io.whole import replace_file, write_json
from lvbert_tf.models import ElectraPretrainer, LVBertBackbone

CHECKPOINT = "model.ckpt"
HPARAMS = "hparams.json"
# The reference's evaluation needs a step. It is 0, because training starts from a converted model.
_STEP = {"global_step": np.array(0, np.int64)}


def reference_weights(pretrainer: ElectraPretrainer, layer_list: bool) -> list[ForeignWeight]:
    """The weights of a model, with the names of the reference's variables.

    Args:
        pretrainer: a built pre-trainer.
        layer_list: True for LV-BERT's code with a `custom_layer_list`, False for ELECTRA's.

    Raises:
        InputError: the reference cannot build such a model. The message gives the reason.
    """
    discriminator, generator = pretrainer.discriminator, pretrainer.generator
    layers = discriminator.config.layer_string
    if len(layers) % 2:
        raise InputError(
            f"the layer string {layers} has an odd length; the reference counts layers in pairs"
        )
    if not layer_list and not layers.is_transformer:
        raise InputError(
            f"the layer string is {layers}; ELECTRA's code has only AF repeated, so the names must"
            " be LV-BERT's"
        )
    if generator is not None:
        own = generator.config.layer_string
        if len(own) % 2 or own != layers.first(len(own)):
            raise InputError(
                f"the generator's layers are {own}; the reference's are pairs of the"
                f" discriminator's {layers}, from the embeddings up"
            )
    return list(pretrainer_weights(pretrainer, submodules=layer_list))


def reference_hparams(pretrainer: ElectraPretrainer, layer_list: bool) -> dict[str, Any]:
    """The reference's hparams that build a model; the arguments are those of `reference_weights`."""
    discriminator = pretrainer.discriminator
    layers = discriminator.config.layer_string
    hparams = encoder_hparams(discriminator.config)
    if layer_list:
        hparams["custom_layer_list"] = layers.digits
    else:
        hparams["model_hparam_overrides"]["num_hidden_layers"] = len(layers) // 2
    return hparams | _generator_hparams(pretrainer, discriminator)


def _generator_hparams(
    pretrainer: ElectraPretrainer, discriminator: LVBertBackbone
) -> dict[str, Any]:
    generator = pretrainer.generator
    if generator is None:
        return {"uniform_generator": True}
    if pretrainer.replaced_token_head is None:
        return {"electra_objective": False}
    if generator is discriminator:
        return {"untied_generator": False}
    hparams = {
        "generator_layers": len(generator.config.layer_string)
        / len(discriminator.config.layer_string),
        "generator_hidden_size": generator.config.hidden_dim / discriminator.config.hidden_dim,
        "untied_generator_embeddings": generator.embeddings is not discriminator.embeddings,
    }
    if pretrainer.right_to_left_generator is not None:
        hparams["two_tower_generator"] = True  # only ELECTRA's code knows it
    return hparams


def write_reference_checkpoint(
    weights: list[ForeignWeight], hparams: dict[str, Any], directory: Path
) -> None:
    """Writes `model.ckpt.*`, the file `checkpoint` that names it, and `hparams.json`.

    Beside the weights the checkpoint has the variable `global_step`, int64, which is 0.

    Args:
        weights: the weights to write.
        hparams: the content of `hparams.json`.
        directory: an existing directory.

    Raises:
        InputError: a file cannot be written.
    """
    values: dict[str, np.ndarray] = dict(_STEP)
    for weight in weights:
        values |= weight.split()
    names = sorted(values)
    try:
        tf.raw_ops.SaveV2(
            prefix=str(directory / CHECKPOINT),
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tf.constant(values[name]) for name in names],
        )
    except tf.errors.OpError as error:
        raise InputError(f"cannot write {directory}: {reason(error)}") from error
    replace_file(directory / "checkpoint", f'model_checkpoint_path: "{CHECKPOINT}"\n')
    write_json(directory / HPARAMS, hparams)
