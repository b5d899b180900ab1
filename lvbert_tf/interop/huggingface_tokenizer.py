"""Writes and reads our tokenizer as the tokenizer files of Hugging Face's ELECTRA."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.interop.huggingface_added_tokens import (
    SPECIAL,
    added_tokens_decoder,
    read_added_tokens,
)
from lvbert_tf.io.files import read_json_object
from lvbert_tf.io.whole import write_json
from lvbert_tf.models import LVBertTokenizer
from lvbert_tf.text import Vocabulary
from lvbert_tf.text.wordpiece_learner import write_vocabulary

_VOCABULARY = "vocab.txt"
_FILES = (
    *("tokenizer.json", "tokenizer_config.json"),
    *("special_tokens_map.json", "added_tokens.json"),
)


def write_tokenizer(tokenizer: LVBertTokenizer, max_length: int, directory: Path) -> None:
    """Writes `vocab.txt`, `tokenizer_config.json` and `special_tokens_map.json`.

    Args:
        tokenizer: a tokenizer with a vocabulary.
        max_length: the most tokens of an input of the model.
        directory: an existing directory.

    Raises:
        InputError: a file cannot be written, or an added token stands among WordPiece's tokens.
    """
    vocabulary = tokenizer.tokenizer.vocabulary
    added = {token.content for token in tokenizer.added_tokens if not token.is_piece}
    pieces = vocabulary.tokens[: vocabulary.size - len(added)]
    if among := added.intersection(pieces):
        raise InputError(
            f"added token {min(among)!r} stands among the other tokens of the vocabulary;"
            " Hugging Face's are after them"
        )
    write_vocabulary(directory / _VOCABULARY, pieces)
    settings: dict[str, Any] = {
        "tokenizer_class": "ElectraTokenizer",
        "do_lower_case": tokenizer.lowercase,
        "strip_accents": tokenizer.strip_accents,
        "tokenize_chinese_chars": True,
        "model_max_length": max_length,
        **SPECIAL,
    }
    if tokenizer.added_tokens:
        settings["added_tokens_decoder"] = added_tokens_decoder(tokenizer.added_tokens, vocabulary)
    write_json(directory / "tokenizer_config.json", settings)
    write_json(directory / "special_tokens_map.json", SPECIAL)


def read_tokenizer(directory: Path) -> LVBertTokenizer | None:
    """Reads the tokenizer in the directory of a model, with its added tokens.

    The vocabulary is in `vocab.txt` or `tokenizer.json`. As in transformers, the settings of case and
    accents in tokenizer_config.json override those in tokenizer.json.

    Args:
        directory: the directory of the model.

    Returns:
        the tokenizer, or None if the directory has neither file.

    Raises:
        InputError: a file cannot be read, the files contradict each other, or they describe a tokenizer
            that is not BERT's.
    """
    files = {
        name: read_json_object(directory / name) for name in _FILES if (directory / name).exists()
    }
    saved = files.get("tokenizer.json")
    pieces = None if saved is None else _pieces(saved, directory / "tokenizer.json")
    beside = directory / _VOCABULARY
    if beside.exists():
        lines = Vocabulary.load(beside)
        _check_same(lines, pieces, beside)
        vocabulary = lines
    elif pieces is not None:
        vocabulary = _in_order(pieces, directory / "tokenizer.json")
    else:
        return None
    vocabulary, added = read_added_tokens(vocabulary, files, str(directory))
    return LVBertTokenizer(vocabulary, *_casing(files, directory), added_tokens=added)


def _casing(files: Mapping[str, Mapping[str, Any]], directory: Path) -> tuple[bool, bool | None]:
    """Whether to lower-case and whether to strip accents; the last file that says so decides."""
    lowercase, accents = True, None
    settings: list[tuple[str, Mapping[str, Any], tuple[str, str, str]]] = []
    if "tokenizer.json" in files:
        normalizer = files["tokenizer.json"].get("normalizer")
        if not isinstance(normalizer, Mapping) or normalizer.get("type") != "BertNormalizer":
            raise InputError(f"{directory / 'tokenizer.json'}: its normalizer is not BERT's")
        names = ("lowercase", "strip_accents", "handle_chinese_chars")
        settings.append(("tokenizer.json", normalizer, names))
    names = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")
    settings.append(("tokenizer_config.json", files.get("tokenizer_config.json", {}), names))
    for file, values, (lower, strip, chinese) in settings:
        lowercase, accents = values.get(lower, lowercase), values.get(strip, accents)
        if (
            type(lowercase) is not bool
            or type(accents) not in (bool, type(None))
            or values.get(chinese, True) is not True
        ):
            raise InputError(
                f"{directory / file}: {lower} must be true or false, {strip} true, false or null, and"
                f" {chinese} true"
            )
    return lowercase, accents


def _pieces(saved: Mapping[str, Any], path: Path) -> dict[int, str]:
    """WordPiece's tokens by their ids."""
    model = saved.get("model")
    model = model if isinstance(model, Mapping) else {}
    ids = model.get("vocab")
    if not isinstance(ids, Mapping) or model.get("type") != "WordPiece":
        raise InputError(f"{path}: its model is not WordPiece")
    if wrong := [number for number in ids.values() if type(number) is not int]:
        raise InputError(f"{path}: {wrong[0]!r} is no id of its vocabulary")
    return {number: token for token, number in ids.items()}


def _in_order(pieces: Mapping[int, str], path: Path) -> Vocabulary:
    if set(pieces) != set(range(len(pieces))):
        raise InputError(f"{path}: the ids of its vocabulary are not 0 to {len(pieces) - 1}")
    try:
        return Vocabulary(tuple(pieces[number] for number in range(len(pieces))))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _check_same(lines: Vocabulary, pieces: Mapping[int, str] | None, path: Path) -> None:
    for number, token in (pieces or {}).items():
        line = lines.tokens[number] if 0 <= number < lines.size else None
        if line != token.strip():
            raise InputError(f"{path}: token {number} is {line!r}, but {token!r} in tokenizer.json")
