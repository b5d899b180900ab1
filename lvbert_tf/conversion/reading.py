"""Reading what is to be converted, from any of the formats."""

import dataclasses
from collections.abc import Callable
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.interop.huggingface_formats import TASKS
from lvbert_tf.interop.huggingface_reading import load_pair
from lvbert_tf.interop.huggingface_saved import TransformersModel, find_models
from lvbert_tf.interop.huggingface_tasks import load_task
from lvbert_tf.interop.huggingface_tokenizer import read_tokenizer
from lvbert_tf.interop.reference_checkpoint import reference_config, restore_reference_weights
from lvbert_tf.interop.reference_writing import HPARAMS
from lvbert_tf.io.bucket_directories import local_copy
from lvbert_tf.io.files import read_json_object
from lvbert_tf.io.paths import parse_path
from lvbert_tf.models import ElectraPretrainer, LVBertTokenizer
from lvbert_tf.runs.loaded_model import LoadedModel, encoder_alone, load_model
from lvbert_tf.runs.open_model import (
    ReferenceCheckpoint,
    TransformersDirectory,
    open_own_model,
    recognise,
)
from lvbert_tf.settings.user_hparams import load_hparams


def read_model(
    kind: str,
    path: str,
    hparams: str,
    vocab_file: str | None,
    allow_padding: bool,
    task: str | None,
    report: Callable[[str], None],
) -> LoadedModel:
    """Reads a model of any format, float32.

    Args:
        kind: the format that the user says it has: "reference", "huggingface" or "preset".
        path: where it is.
        hparams: for a reference checkpoint, see `load_hparams`; added to the hparams.json beside it.
        vocab_file: a vocabulary to use instead of the one that lies with the model.
        allow_padding: accept a model that has more embeddings than its vocabulary has tokens.
        task: which model of a trial of fine-tuning; None if there is but one.
        report: called with lines for the user.

    Raises:
        InputError: the model is of another format or cannot be read; or its vocabulary has more tokens
            than the model has embeddings, or fewer, unless they are allowed or the model was saved so.
    """
    if task is not None and kind != "preset":
        raise InputError(f"--task {task} chooses among the models of a trial, with --from preset")
    if hparams and kind != "reference":
        raise InputError("hparams describe reference checkpoints; the others say what they are")
    _check_format(kind, path)
    if kind == "reference":
        model = _read_reference(path, hparams, vocab_file)
    elif kind == "huggingface":
        model = _read_huggingface(path, vocab_file)
    else:
        model = load_model(open_own_model(parse_path(path), task), report)
    saved = model.tokenizer
    if vocab_file and kind != "huggingface":
        model = dataclasses.replace(model, tokenizer=_with_vocabulary(model, vocab_file))
    padded = allow_padding or "vocab_size" in load_hparams(hparams)
    known = saved if kind == "preset" else None
    _check_vocabulary(model, vocab_file or path, known, padded, report)
    return model


def _check_format(kind: str, path: str) -> None:
    found = recognise(path)
    if found is None:
        return  # the reader of the format says what is wrong
    formats = {ReferenceCheckpoint: "reference", TransformersDirectory: "huggingface"}
    other = formats.get(type(found), "preset")
    if other != kind:
        raise InputError(f"{path} is {found.kind}; give it with --from {other}")


def _check_vocabulary(
    model: LoadedModel,
    where: str,
    known: LVBertTokenizer | None,
    padded: bool,
    report: Callable[[str], None],
) -> None:
    """Compares the vocabulary with the embeddings.

    Args:
        model: the model with its vocabulary.
        where: where the vocabulary is from, for the message.
        known: the tokenizer that was saved with the weights, if there is one. A vocabulary of as many
            tokens is accepted.
        padded: whether there may be more embeddings than tokens.
        report: called with a warning.

    Raises:
        InputError: there are more tokens than embeddings, or fewer, where that is not accepted.
    """
    if model.tokenizer is None:
        return
    tokens, rows = (
        model.tokenizer.vocabulary_size(),
        model.pretrainer.discriminator.vocabulary_size,
    )
    if tokens == rows or (known is not None and tokens == known.vocabulary_size()):
        return
    difference = (
        f"the model has {rows} token embeddings, but its vocabulary has {tokens} tokens ({where})"
    )
    if tokens > rows:
        raise InputError(difference)
    if not padded:
        raise InputError(
            f"{difference}; give the vocabulary that it was trained with, or allow_partial if"
            " the rest is padding"
        )
    report(f"warning: {difference}")


def _settings(tokenizer: LVBertTokenizer | None) -> dict[str, Any]:
    """The arguments of a tokenizer, except its vocabulary."""
    if tokenizer is None:
        return {}
    return {
        "lowercase": tokenizer.lowercase,
        "strip_accents": tokenizer.strip_accents,
        "added_tokens": tokenizer.added_tokens,
    }


def _with_vocabulary(model: LoadedModel, vocab_file: str) -> LVBertTokenizer:
    if model.tokenizer is not None:
        return LVBertTokenizer(vocab_file, **_settings(model.tokenizer))
    return LVBertTokenizer(vocab_file, model.config is None or model.config.do_lower_case)


def _read_reference(path: str, given: str, vocab_file: str | None) -> LoadedModel:
    directory = parse_path(path) if parse_path(path).is_dir() else parse_path(path).parent
    hparams = _merged(
        read_json_object(directory / HPARAMS) if (directory / HPARAMS).exists() else {},
        load_hparams(given),
    )
    config = reference_config(path, hparams)
    pretrainer = ElectraPretrainer.from_networks(config.networks, dtype="float32")
    report = restore_reference_weights(pretrainer, path)
    beside = directory / "vocab.txt"
    tokenizer = None
    if not vocab_file and beside.exists():
        tokenizer = LVBertTokenizer(str(beside), config.do_lower_case)
    return LoadedModel(pretrainer, tokenizer, config, report=report)


def _merged(saved: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    name = "model_hparam_overrides"
    old, new = saved.get(name), given.get(name)
    if isinstance(old, dict) and isinstance(new, dict):
        return {**saved, **given, name: {**old, **new}}
    return {**saved, **given}


def _read_huggingface(path: str, vocab_file: str | None) -> LoadedModel:
    with local_copy(parse_path(path)) as local:
        return _read_local_huggingface(str(local), vocab_file)


def _read_local_huggingface(path: str, vocab_file: str | None) -> LoadedModel:
    parts = [TransformersModel.load(directory) for directory in find_models(path)]
    found = [read_tokenizer(part.directory) for part in parts]
    tokenizers = [tokenizer for tokenizer in found if tokenizer is not None]
    first = tokenizers[0] if tokenizers else None
    if vocab_file:
        first = LVBertTokenizer(vocab_file, **_settings(first))
    tuned = [part for part in parts if part.kind in TASKS]
    if tuned and len(parts) > 1:
        choices = ", ".join(str(part.directory) for part in parts)
        raise InputError(f"{path} has several models; give one of {choices}")
    if tuned:
        task, report = load_task(tuned[0], first)
        return LoadedModel(encoder_alone(task.backbone), first, task=task, report=report)
    for other in tokenizers[1:]:
        if {**other.get_config(), "name": ""} != {**tokenizers[0].get_config(), "name": ""}:
            raise InputError(f"{path}: discriminator and generator have different tokenizers")
    pretrainer, config, report = load_pair(parts, path)
    return LoadedModel(pretrainer, first, config, report=report)
