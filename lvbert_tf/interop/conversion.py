"""The conversion program: from one format to another, whole or not at all."""

from pathlib import Path

import keras

from lvbert_tf import cli, hparams
from lvbert_tf.config import PretrainingConfig
from lvbert_tf.errors import InputError
from lvbert_tf.interop.foreign_weights import ForeignWeight
from lvbert_tf.interop.huggingface_reading import DISCRIMINATOR, GENERATOR
from lvbert_tf.interop.huggingface_writing import huggingface_models, write_huggingface
from lvbert_tf.interop.reference_writing import (
    CHECKPOINT,
    HPARAMS,
    reference_hparams,
    reference_weights,
    write_reference_checkpoint,
)
from lvbert_tf.interop.sources import Source, load_source
from lvbert_tf.pretraining.output_directory import check_replaceable, new_directory
from lvbert_tf.text.wordpiece_learner import write_vocabulary
from lvbert_tf.training.checkpoints import Checkpoints
from lvbert_tf.training.model_directory import save_preset, write_config
from lvbert_tf.training.named_weights import named_weights

FORMATS = ("reference", "huggingface", "preset")
REFERENCE_CODES = ("lv_bert", "electra")
_VOCABULARY = "vocab.txt"


def convert(
    source_format: str,
    target_format: str,
    path: str,
    output: str,
    checkpoint_hparams: str = "",
    vocab_file: str | None = None,
    reference_code: str = "lv_bert",
    allow_partial: bool = False,
    overwrite: bool = False,
) -> int:
    """Converts a model and prints what was written.

    Args:
        source_format: one of `FORMATS`.
        target_format: another one.
        path: the model.
        output: the directory to make.
        checkpoint_hparams: of a reference checkpoint, see `load_hparams`.
        vocab_file: instead of the vocabulary that lies with the model.
        reference_code: one of `REFERENCE_CODES`: whose names a reference checkpoint gets.
        allow_partial: go on although some tensors have no counterpart.
        overwrite: replace an output that an earlier conversion wrote.

    Returns:
        0.

    Raises:
        InputError: unreadable input, a model that the target cannot hold, or an output that exists.
    """
    if source_format == target_format:
        raise InputError(f"from and to are both {source_format}; there is nothing to convert")
    target = Path(output).resolve()
    check_replaceable(target, overwrite, _is_ours)
    source = load_source(
        source_format, path, checkpoint_hparams, vocab_file, allow_partial, cli.say
    )
    cli.say(f"{path}: {source.pretrainer.discriminator.layer_string}")
    if target_format != "reference" and source.tokenizer is None:
        raise InputError(f"{path} has no vocabulary; name it with vocab_file")
    if target_format == "reference":
        listed = reference_weights(source.pretrainer, reference_code == "lv_bert")
    elif target_format == "huggingface":
        models = huggingface_models(source.pretrainer)
        listed = [weight for model in models for weight in model.weights]
    else:
        listed = None
    _check_complete(path, source, listed, allow_partial)
    with new_directory(target, overwrite, _is_ours) as directory:
        if target_format == "reference":
            written = _write_reference(source, reference_code == "lv_bert", directory)
        elif target_format == "huggingface":
            written = _write_huggingface(source, directory)
        else:
            written = _write_preset(source, directory, target)
    print(f"written to {output}:")
    for name, what in written.items():
        print(f"  {name}: {what}")
    return 0


def _is_ours(name: str) -> bool:
    fixed = ("checkpoint", HPARAMS, _VOCABULARY, DISCRIMINATOR, GENERATOR)
    return name.startswith(f"{CHECKPOINT}.") or name in (
        *fixed,
        "config.json",
        "checkpoints",
        "preset",
    )


def _check_complete(
    path: str, source: Source, listed: list[ForeignWeight] | None, allow_partial: bool
) -> None:
    """Refuses, or says, what has no counterpart on the other side."""
    unmapped: tuple[str, ...] = ()
    if listed is not None:
        mapped = {id(entry.weight) for entry in listed}
        named = named_weights(source.pretrainer)
        unmapped = tuple(name for name, weight in named.items() if id(weight) not in mapped)
    lists = (
        ("the model has no place for", source.report.unused),
        ("the model wants and does not find", source.report.missing),
        ("the target has no place for", unmapped),
    )
    found = "; ".join(f"{what} {len(names)}: {', '.join(names)}" for what, names in lists if names)
    if found and not allow_partial:
        raise InputError(f"{path}: {found}; allow_partial converts the rest")
    if found:
        cli.say(f"warning: {found}")


def _without(
    weights: list[ForeignWeight], fresh: tuple[keras.Variable, ...]
) -> list[ForeignWeight]:
    """The weights that were read, not made up."""
    left_out = {id(weight) for weight in fresh}
    return [entry for entry in weights if id(entry.weight) not in left_out]


def _write_reference(source: Source, layer_list: bool, directory: Path) -> dict[str, str]:
    pretrainer, tokenizer = source.pretrainer, source.tokenizer
    values = reference_hparams(pretrainer, layer_list)
    written = {
        CHECKPOINT: "prefix of the checkpoint",
        HPARAMS: "hparams that build the model in the reference's code",
    }
    if tokenizer is not None:
        values["do_lower_case"] = tokenizer.lowercase
        write_vocabulary(directory / _VOCABULARY, tokenizer.get_vocabulary())
        written[_VOCABULARY] = "the vocabulary"
    weights = _without(reference_weights(pretrainer, layer_list), source.report.fresh)
    write_reference_checkpoint(weights, values, directory)
    discriminator = pretrainer.discriminator
    if "C" in discriminator.layer_string and discriminator.mask_convolution_padding:
        cli.say(
            "note: the reference's convolution reads padding, which this model was trained without;"
            " sequences that end in padding give other numbers there"
        )
    return written


def _write_huggingface(source: Source, directory: Path) -> dict[str, str]:
    assert source.tokenizer is not None
    written = {}
    for model in huggingface_models(source.pretrainer):
        weights = _without(model.weights, source.report.fresh)
        write_huggingface(model, weights, source.tokenizer, directory)
        written[model.name] = f"for {model.architecture}.from_pretrained"
    return written


def _write_preset(source: Source, directory: Path, target: Path) -> dict[str, str]:
    assert source.config is not None and source.tokenizer is not None
    pretrainer, tokenizer = source.pretrainer, source.tokenizer
    config = PretrainingConfig.create(
        str(target.parent),
        target.name,
        {
            **hparams.to_json(source.config),
            "do_lower_case": tokenizer.lowercase,
            "vocab_file": str(target / _VOCABULARY),
            "model_dir": str(target),
            **dict.fromkeys(("pretrain_tfrecords", "eval_tfrecords"), ""),
        },
    )
    write_config(directory, config, tokenizer.tokenizer.vocabulary)
    write_vocabulary(directory / _VOCABULARY, tokenizer.get_vocabulary())
    checkpoints = Checkpoints(directory / "checkpoints", 0, weights=named_weights(pretrainer))
    checkpoint = checkpoints.save(0)
    save_preset((pretrainer.discriminator, tokenizer), directory / "preset", 0)
    return {
        "preset": "the discriminator and its tokenizer, for from_preset",
        str(checkpoint.relative_to(directory)): "all networks, for init_checkpoint",
        "config.json": "what they are",
        _VOCABULARY: "the vocabulary",
    }
