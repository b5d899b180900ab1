"""Loading what is to be converted."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_hub

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.learning.tuned_model import find_tuned_preset, load_task_preset
from lvbert_tf.hparams import load_hparams
from lvbert_tf.interop.foreign_weights import RestoreReport
from lvbert_tf.interop.huggingface_formats import TASKS
from lvbert_tf.interop.huggingface_reading import load_pair
from lvbert_tf.interop.huggingface_saved import TransformersModel, find_models
from lvbert_tf.interop.huggingface_tasks import load_task
from lvbert_tf.interop.huggingface_tokenizer import read_tokenizer
from lvbert_tf.interop.recognition import check_format
from lvbert_tf.interop.reference_checkpoint import reference_config, restore_reference_weights
from lvbert_tf.interop.reference_writing import HPARAMS
from lvbert_tf.io.files import read_json_object
from lvbert_tf.models import ElectraPretrainer, LVBertBackbone, LVBertTokenizer
from lvbert_tf.presets.directory import is_preset, load_preset
from lvbert_tf.runs.trained_run import load_trained_run
from lvbert_tf.settings.pretraining import PretrainingConfig

_NOTHING = RestoreReport((), (), ())


@dataclass(frozen=True)
class Source:
    """A model in memory, wherever it came from.

    Args:
        pretrainer: its networks, float32.
        tokenizer: None where the source has no vocabulary.
        config: builds the networks; None where there is nothing but a discriminator without its head.
        report: what was found of the weights.
        task: the fine-tuned model whose encoder the discriminator is, if it is one.
    """

    pretrainer: ElectraPretrainer
    tokenizer: LVBertTokenizer | None
    config: PretrainingConfig | None
    report: RestoreReport
    task: keras_hub.models.Task | None = None


def load_source(
    kind: str,
    path: str,
    hparams: str,
    vocab_file: str | None,
    allow_padding: bool,
    task: str | None,
    report: Callable[[str], None],
) -> Source:
    """Loads a model.

    Args:
        kind: "reference", "huggingface" or "preset".
        path: where it is.
        hparams: for a reference checkpoint, see `load_hparams`; added to the hparams.json beside it.
        vocab_file: instead of the vocabulary that lies with the model.
        allow_padding: accept embeddings of no token.
        task: which model of a trial of fine-tuning; None if there is but one.
        report: called with lines for the user.

    Raises:
        InputError: it is of another format, it cannot be read, or its vocabulary has not as many tokens
            as it has embeddings: more in any case, fewer unless they are allowed, or the model was
            saved so.
    """
    if task is not None and kind != "preset":
        raise InputError(f"--task {task} chooses among the models of a trial, with --from preset")
    if hparams and kind != "reference":
        raise InputError("hparams describe reference checkpoints; the others say what they are")
    check_format(kind, path)
    if kind == "reference":
        source = _load_reference(path, hparams, vocab_file)
    elif kind == "huggingface":
        source = _load_huggingface(path, vocab_file)
    else:
        source = _load_own(Path(path), task, report)
    saved = source.tokenizer
    if vocab_file and kind != "huggingface":
        source = dataclasses.replace(source, tokenizer=_with_vocabulary(source, vocab_file))
    padded = allow_padding or "vocab_size" in load_hparams(hparams)
    known = saved if kind == "preset" else None
    _check_vocabulary(source, vocab_file or path, known, padded, report)
    return source


def _check_vocabulary(
    source: Source,
    where: str,
    known: LVBertTokenizer | None,
    padded: bool,
    report: Callable[[str], None],
) -> None:
    """Compares the vocabulary with the embeddings; `known` is one that the weights go with."""
    if source.tokenizer is None:
        return
    tokens, rows = (
        source.tokenizer.vocabulary_size(),
        source.pretrainer.discriminator.vocabulary_size,
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
    """What a tokenizer is beside its vocabulary, for another vocabulary."""
    if tokenizer is None:
        return {}
    return {
        "lowercase": tokenizer.lowercase,
        "strip_accents": tokenizer.strip_accents,
        "added_tokens": tokenizer.added_tokens,
    }


def _with_vocabulary(source: Source, vocab_file: str) -> LVBertTokenizer:
    if source.tokenizer is not None:
        return LVBertTokenizer(vocab_file, **_settings(source.tokenizer))
    return LVBertTokenizer(vocab_file, source.config is None or source.config.do_lower_case)


def _load_reference(path: str, given: str, vocab_file: str | None) -> Source:
    directory = Path(path) if Path(path).is_dir() else Path(path).parent
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
    return Source(pretrainer, tokenizer, config, report)


def _merged(saved: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    name = "model_hparam_overrides"
    old, new = saved.get(name), given.get(name)
    if isinstance(old, dict) and isinstance(new, dict):
        return {**saved, **given, name: {**old, **new}}
    return {**saved, **given}


def _load_huggingface(path: str, vocab_file: str | None) -> Source:
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
        return Source(_without_heads(task.backbone), first, None, report, task)
    for other in tokenizers[1:]:
        if {**other.get_config(), "name": ""} != {**tokenizers[0].get_config(), "name": ""}:
            raise InputError(f"{path}: discriminator and generator have different tokenizers")
    pretrainer, config, report = load_pair(parts, path)
    return Source(pretrainer, first, config, report)


def _without_heads(backbone: LVBertBackbone) -> ElectraPretrainer:
    return ElectraPretrainer(backbone, None, detects_replacements=False)


def _load_own(path: Path, task: str | None, report: Callable[[str], None]) -> Source:
    tuned = find_tuned_preset(path, task)
    if tuned is None and not is_preset(path) and is_preset(path / "preset"):
        # What a conversion of a fine-tuned model wrote has nothing beside its preset.
        tuned = path / "preset" if not (path / "config.json").exists() else None
    preset = tuned or path
    if is_preset(preset):
        model = load_task_preset(preset, "float32")
        if model is not None:
            tokenizer = None if model.preprocessor is None else model.preprocessor.tokenizer
            return Source(_without_heads(model.backbone), tokenizer, None, _NOTHING, model)
        backbone = load_preset(LVBertBackbone, preset, dtype="float32")
        tokenizer = load_preset(LVBertTokenizer, preset)
        return Source(_without_heads(backbone), tokenizer, None, _NOTHING)
    run = load_trained_run(path, report)
    if run is None:
        raise InputError(
            f"{path} is no model of ours: expected the directory of a pre-training run"
            " (models/NAME), a trial of fine-tuning (finetuning_models/TASKS_TRIAL), or a preset"
        )
    return Source(run.pretrainer, run.tokenizer, run.config, _NOTHING)
