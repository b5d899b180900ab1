"""The conversion program: reads a model of one format and writes it in another."""

from pathlib import Path

import keras
import keras_hub

from lvbert_tf import cli, hparams
from lvbert_tf.conversion.formats import COMPACT
from lvbert_tf.conversion.reading import read_model
from lvbert_tf.errors import InputError
from lvbert_tf.interop.foreign_weights import ForeignWeight
from lvbert_tf.interop.huggingface_formats import CLASSES, CODES, LV_BERT
from lvbert_tf.interop.huggingface_writing import (
    HuggingFaceModel,
    huggingface_models,
    write_huggingface,
)
from lvbert_tf.interop.reference_writing import (
    CHECKPOINT,
    HPARAMS,
    reference_hparams,
    reference_weights,
    write_reference_checkpoint,
)
from lvbert_tf.io.paths import resolved
from lvbert_tf.io.whole import check_replaceable, new_output
from lvbert_tf.presets.quantization import refuse_quantized
from lvbert_tf.runs.compact_networks import networks_to_store
from lvbert_tf.runs.loaded_model import LoadedModel
from lvbert_tf.runs.model_directory import save_preset, write_config
from lvbert_tf.runs.named_weights import named_weights
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.text.wordpiece_learner import write_vocabulary
from lvbert_tf.training.checkpoints import Checkpoints

_VOCABULARY = "vocab.txt"


def convert(
    source_format: str,
    target_format: str,
    path: str,
    output: str,
    checkpoint_hparams: str = "",
    vocab_file: str | None = None,
    reference_code: str = "lv_bert",
    huggingface_code: str = "auto",
    task: str | None = None,
    allow_partial: bool = False,
    overwrite: bool = False,
) -> int:
    """Converts a model and prints what was written.

    Args:
        source_format: the format of the model, one of `formats.FORMATS`.
        target_format: the format to write, another one of `formats.TARGETS`.
        path: the path of the model.
        output: the directory to make. It appears when it is complete.
        checkpoint_hparams: the hparams of a reference checkpoint, see `load_hparams`.
        vocab_file: a vocabulary to use instead of the one that lies with the model.
        reference_code: whose variable names a reference checkpoint gets, one of
            `formats.REFERENCE_CODES`.
        huggingface_code: whose classes hold the model in transformers, one of
            `formats.HUGGINGFACE_CODES`.
        task: which model of a trial of fine-tuning; None if there is but one.
        allow_partial: whether to convert a model although some tensors have no counterpart.
        overwrite: whether to replace an output that an earlier conversion wrote.

    Returns:
        The exit code, 0.

    Raises:
        InputError: the model cannot be read, or the target format cannot hold it, or the output exists.
    """
    if source_format == target_format:
        raise InputError(f"from and to are both {source_format}; there is nothing to convert")
    target = resolved(output)
    check_replaceable(target, overwrite, _is_ours)
    source = resolved(path)
    if overwrite and (target == source or target in source.parents):
        raise InputError(f"{output} holds {path} itself, which --overwrite would remove")
    model = read_model(
        source_format, path, checkpoint_hparams, vocab_file, allow_partial, task, cli.say
    )
    refuse_quantized(model.task or model.encoder, path)
    cli.say(f"{path}: {_class_and_layers(model)}")
    if target_format != "reference" and model.tokenizer is None:
        raise InputError(f"{path} has no vocabulary; name it with vocab_file")
    parts: list[HuggingFaceModel] = []
    if target_format == "reference":
        listed = reference_weights(model.pretrainer, reference_code == "lv_bert")
    elif target_format == "huggingface":
        code = CODES.get(huggingface_code)
        parts = huggingface_models(model.pretrainer, model.task, code)
        listed = [weight for part in parts for weight in part.weights]
    else:
        listed = None
    _check_complete(path, model, target_format, listed, allow_partial)
    with new_output(target, overwrite, _is_ours) as directory:
        if target_format == "reference":
            written = _write_reference(model, reference_code == "lv_bert", directory)
        elif target_format == "huggingface":
            written = _write_huggingface(model, parts, directory)
        elif target_format == COMPACT:
            written = _write_compact(model, path, directory)
        elif model.task is not None:
            written = _write_task(model.task, directory)
        else:
            written = _write_preset(model, directory, target)
    print(f"written to {output}:")
    for name, what in written.items():
        print(f"  {name}: {what}")
    return 0


def _is_ours(name: str) -> bool:
    fixed = ("checkpoint", HPARAMS, _VOCABULARY, *CLASSES)
    return name.startswith(f"{CHECKPOINT}.") or name in (
        *fixed,
        "config.json",
        "checkpoints",
        "preset",
    )


def _class_and_layers(model: LoadedModel) -> str:
    layers = model.pretrainer.discriminator.layer_string
    return layers if model.task is None else f"{type(model.task).__name__} of {layers}"


def _check_complete(
    path: str,
    model: LoadedModel,
    target_format: str,
    listed: list[ForeignWeight] | None,
    allow_partial: bool,
) -> None:
    """Refuses a model of which something has no counterpart in the target format, or warns of it."""
    unmapped: tuple[str, ...] = ()
    if listed is not None:
        mapped = {id(entry.weight) for entry in listed}
        unmapped = tuple(name for name, weight in _named(model).items() if id(weight) not in mapped)
    tokenizer = model.tokenizer
    added: tuple[str, ...] = ()
    if target_format == "reference" and tokenizer is not None:
        added = tuple(token.content for token in tokenizer.added_tokens)
    lists = (
        ("what is read has tensors that our model has no place for,", model.report.unused),
        ("what is read lacks tensors of our model,", model.report.missing),
        (f"the {target_format} format has no place for weights of our model,", unmapped),
        (f"the {target_format} format has no place for added tokens,", added),
    )
    found = "; ".join(f"{what} {len(names)}: {', '.join(names)}" for what, names in lists if names)
    if found and not allow_partial:
        raise InputError(f"{path}: {found}; allow_partial converts the rest")
    if found:
        cli.say(f"warning: {found}")


def _named(model: LoadedModel) -> dict[str, keras.Variable]:
    """All weights by name: those of the pre-trainer and of the head of a fine-tuned model."""
    named = named_weights(model.pretrainer)
    if model.task is not None:
        known = {id(weight) for weight in named.values()}
        head = [weight for weight in model.task.trainable_variables if id(weight) not in known]
        named |= {weight.path: weight for weight in head}
    return named


def _without(
    weights: list[ForeignWeight], fresh: tuple[keras.Variable, ...]
) -> list[ForeignWeight]:
    """The weights that were read; `fresh` ones were not."""
    left_out = {id(weight) for weight in fresh}
    return [entry for entry in weights if id(entry.weight) not in left_out]


def _write_reference(model: LoadedModel, layer_list: bool, directory: Path) -> dict[str, str]:
    pretrainer, tokenizer = model.pretrainer, model.tokenizer
    values = reference_hparams(pretrainer, layer_list)
    written = {
        CHECKPOINT: "prefix of the checkpoint",
        HPARAMS: "hparams that build the model in the reference's code",
    }
    if tokenizer is not None:
        values["do_lower_case"] = tokenizer.lowercase
        write_vocabulary(directory / _VOCABULARY, tokenizer.get_vocabulary())
        written[_VOCABULARY] = "the vocabulary"
    weights = _without(reference_weights(pretrainer, layer_list), model.report.fresh)
    write_reference_checkpoint(weights, values, directory)
    discriminator = pretrainer.discriminator
    if "C" in discriminator.layer_string and discriminator.mask_convolution_padding:
        cli.say(
            "note: the reference's convolution reads padding, which this model was trained without;"
            " sequences that end in padding give other numbers there"
        )
    return written


def _write_huggingface(
    model: LoadedModel, parts: list[HuggingFaceModel], directory: Path
) -> dict[str, str]:
    assert model.tokenizer is not None
    written = {}
    for part in parts:
        weights = _without(part.weights, model.report.fresh)
        write_huggingface(part, weights, model.tokenizer, directory)
        what = f"for {part.code.architecture(part.kind)}.from_pretrained"
        if part.code is LV_BERT:
            suffix = CLASSES[part.kind]
            what = f"for AutoModel{suffix}.from_pretrained(..., trust_remote_code=True)"
        written[part.kind] = what
    return written


def _write_compact(model: LoadedModel, path: str, directory: Path) -> dict[str, str]:
    if model.config is None or model.task is not None:
        raise InputError(
            f"{path} has no generator; a compact preset is made of a whole pre-training"
        )
    assert model.tokenizer is not None
    networks = networks_to_store(model.pretrainer, model.tokenizer, model.config)
    save_preset((model.encoder, model.tokenizer), directory / "preset", 0, networks)
    return {"preset": "for from_preset, fine-tuning, init_checkpoint and conversion"}


def _write_task(task: keras_hub.models.Task, directory: Path) -> dict[str, str]:
    save_preset((task,), directory / "preset", 0)
    return {"preset": f"for {type(task).__name__}.from_preset and export_saved_model.py"}


def _write_preset(model: LoadedModel, directory: Path, target: Path) -> dict[str, str]:
    assert model.config is not None and model.tokenizer is not None
    pretrainer, tokenizer = model.pretrainer, model.tokenizer
    config = PretrainingConfig.create(
        str(target.parent),
        target.name,
        {
            **hparams.to_json(model.config),
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
    if tokenizer.added_tokens:
        cli.say(
            f"note: {len(tokenizer.added_tokens)} added tokens are found by the tokenizer of preset/;"
            f" programs that read {_VOCABULARY} alone take them for WordPieces"
        )
    save_preset((pretrainer.discriminator, tokenizer), directory / "preset", 0)
    return {
        "preset": "the discriminator and its tokenizer, for from_preset",
        str(checkpoint.relative_to(directory)): "all networks, for init_checkpoint",
        "config.json": "what they are",
        _VOCABULARY: "the vocabulary",
    }
