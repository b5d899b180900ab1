"""Tokenizer files of Hugging Face's ELECTRA beside our `LVBertTokenizer`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.files import read_json_object, write_json
from lvbert_tf.models import LVBertTokenizer
from lvbert_tf.text import Vocabulary
from lvbert_tf.text.vocabulary import CLS, MASK, PAD, SEP, UNK
from lvbert_tf.text.wordpiece_learner import write_vocabulary

_SPECIAL = {
    "cls_token": CLS,
    "sep_token": SEP,
    "pad_token": PAD,
    "mask_token": MASK,
    "unk_token": UNK,
}


def write_tokenizer(tokenizer: LVBertTokenizer, max_length: int, directory: Path) -> None:
    """Writes `vocab.txt`, `tokenizer_config.json` and `special_tokens_map.json`.

    Args:
        tokenizer: with its vocabulary.
        max_length: positions of the model, in tokens.
        directory: exists.

    Raises:
        InputError: it cannot be written.
    """
    write_vocabulary(directory / "vocab.txt", tokenizer.get_vocabulary())
    settings = {
        "tokenizer_class": "ElectraTokenizer",
        "do_lower_case": tokenizer.lowercase,
        "strip_accents": tokenizer.strip_accents,
        "tokenize_chinese_chars": True,
        "model_max_length": max_length,
        **_SPECIAL,
    }
    write_json(directory / "tokenizer_config.json", settings)
    write_json(directory / "special_tokens_map.json", _SPECIAL)


def read_tokenizer(directory: Path) -> LVBertTokenizer | None:
    """Reads the tokenizer beside a model, from `vocab.txt` or `tokenizer.json`.

    Returns:
        the tokenizer, or None where there is neither file.

    Raises:
        InputError: a file cannot be read, or describes a tokenizer that is not BERT's.
    """
    settings: Mapping[str, Any] = {}
    path = directory / "tokenizer_config.json"
    if path.exists():
        settings = read_json_object(path)
    lowercase, accents = settings.get("do_lower_case", True), settings.get("strip_accents")
    chinese = settings.get("tokenize_chinese_chars", True)
    vocabulary = None
    if (directory / "vocab.txt").exists():
        vocabulary = Vocabulary.load(directory / "vocab.txt")
    elif (directory / "tokenizer.json").exists():
        path = directory / "tokenizer.json"
        saved = read_json_object(path)
        vocabulary = _vocabulary(saved, path)
        normalizer = saved.get("normalizer")
        if not isinstance(normalizer, Mapping) or normalizer.get("type") != "BertNormalizer":
            raise InputError(f"{path}: its normalizer is not BERT's")
        lowercase = normalizer.get("lowercase", True)
        accents = normalizer.get("strip_accents")
        chinese = normalizer.get("handle_chinese_chars", True)
    if vocabulary is None:
        return None
    if (
        type(lowercase) is not bool
        or type(accents) not in (bool, type(None))
        or chinese is not True
    ):
        raise InputError(
            f"{path}: do_lower_case must be true or false, strip_accents true, false or null, and"
            " tokenize_chinese_chars true"
        )
    return LVBertTokenizer(vocabulary, lowercase, accents)


def _vocabulary(saved: Mapping[str, Any], path: Path) -> Vocabulary:
    model = saved.get("model")
    model = model if isinstance(model, Mapping) else {}
    ids = model.get("vocab")
    if not isinstance(ids, Mapping) or model.get("type") != "WordPiece":
        raise InputError(f"{path}: its model is not WordPiece")
    tokens = {number: token for token, number in ids.items()}
    if set(tokens) != set(range(len(ids))):
        raise InputError(f"{path}: the ids of its vocabulary are not 0 to {len(ids) - 1}")
    try:
        return Vocabulary(tuple(tokens[number] for number in range(len(ids))))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
