"""Loading what is to be converted."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lvbert_tf.config import PretrainingConfig
from lvbert_tf.errors import InputError
from lvbert_tf.files import read_json_object
from lvbert_tf.hparams import load_hparams
from lvbert_tf.interop.foreign_weights import RestoreReport
from lvbert_tf.interop.huggingface_reading import find_models, load_huggingface
from lvbert_tf.interop.huggingface_tokenizer import read_tokenizer
from lvbert_tf.interop.reference_checkpoint import reference_config, restore_reference_weights
from lvbert_tf.interop.reference_writing import HPARAMS
from lvbert_tf.models import ElectraPretrainer, LVBertBackbone, LVBertTokenizer
from lvbert_tf.presets.directory import is_preset, load_preset
from lvbert_tf.training.trained_run import load_trained_run

_NOTHING = RestoreReport((), (), ())


@dataclass(frozen=True)
class Source:
    """A model in memory, wherever it came from.

    Args:
        pretrainer: its networks, float32.
        tokenizer: None where the source has no vocabulary.
        config: builds the networks; None for a preset, which has no generator and no heads.
        report: what was found of the weights.
    """

    pretrainer: ElectraPretrainer
    tokenizer: LVBertTokenizer | None
    config: PretrainingConfig | None
    report: RestoreReport


def load_source(
    kind: str,
    path: str,
    hparams: str,
    vocab_file: str | None,
    allow_padding: bool,
    report: Callable[[str], None],
) -> Source:
    """Loads a model.

    Args:
        kind: "reference", "huggingface" or "preset".
        path: where it is.
        hparams: for a reference checkpoint, see `load_hparams`; added to the hparams.json beside it.
        vocab_file: instead of the vocabulary that lies with the model.
        allow_padding: accept embeddings of no token.
        report: called with lines for the user.

    Raises:
        InputError: it cannot be read, or its vocabulary has not as many tokens as it has embeddings:
            more in any case, fewer unless they are allowed, or the model was saved so.
    """
    if hparams and kind != "reference":
        raise InputError("hparams describe reference checkpoints; the others say what they are")
    if kind == "reference":
        source = _load_reference(path, hparams, vocab_file)
    elif kind == "huggingface":
        source = _load_huggingface(path)
    else:
        source = _load_own(Path(path), report)
    saved = source.tokenizer
    if vocab_file:
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


def _with_vocabulary(source: Source, vocab_file: str) -> LVBertTokenizer:
    given = source.tokenizer
    if given is not None:
        return LVBertTokenizer(vocab_file, given.lowercase, given.strip_accents)
    return LVBertTokenizer(vocab_file, source.config is None or source.config.do_lower_case)


def _load_reference(path: str, given: str, vocab_file: str | None) -> Source:
    directory = Path(path) if Path(path).is_dir() else Path(path).parent
    hparams = _merged(
        read_json_object(directory / HPARAMS) if (directory / HPARAMS).exists() else {},
        load_hparams(given),
    )
    config = reference_config(path, hparams)
    pretrainer = ElectraPretrainer.from_pretraining_config(config, dtype="float32")
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


def _load_huggingface(path: str) -> Source:
    pretrainer, config, report = load_huggingface(path)
    found = [read_tokenizer(directory) for directory in find_models(path)]
    tokenizers = [tokenizer for tokenizer in found if tokenizer is not None]
    first = tokenizers[0] if tokenizers else None
    for other in tokenizers[1:]:
        assert first is not None
        if other.get_vocabulary() != first.get_vocabulary():
            raise InputError(f"{path}: discriminator and generator have different vocabularies")
    return Source(pretrainer, first, config, report)


def _load_own(path: Path, report: Callable[[str], None]) -> Source:
    if is_preset(path):
        backbone = load_preset(LVBertBackbone, path, dtype="float32")
        tokenizer = load_preset(LVBertTokenizer, path)
        pretrainer = ElectraPretrainer(backbone, None, detects_replacements=False)
        # The head of a fine-tuned task, which no other format here has a place for.
        unused = ("task.weights.h5",) if (path / "task.weights.h5").exists() else ()
        return Source(pretrainer, tokenizer, None, dataclasses.replace(_NOTHING, unused=unused))
    run = load_trained_run(path, report)
    if run is None:
        raise InputError(f"{path} is neither a preset nor the directory of a pre-training run")
    return Source(run.pretrainer, run.tokenizer, run.config, _NOTHING)
