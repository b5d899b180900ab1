"""Reads the added tokens of a Hugging Face tokenizer from all of its files that have some."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.text import Vocabulary
from lvbert_tf.text.added_tokens import AddedToken
from lvbert_tf.text.vocabulary import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK

SPECIAL = {
    "cls_token": CLS,
    "sep_token": SEP,
    "pad_token": PAD,
    "mask_token": MASK,
    "unk_token": UNK,
}
_LISTS = ("additional_special_tokens", "extra_special_tokens")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")

Files = Mapping[str, Mapping[str, Any]]


def read_added_tokens(
    pieces: Vocabulary, files: Files, where: str
) -> tuple[Vocabulary, tuple[AddedToken, ...]]:
    """Adds the tokens that the files add to WordPiece's tokens.

    As in transformers, `added_tokens_decoder` of tokenizer_config.json overrides `added_tokens` of
    tokenizer.json, and both override added_tokens.json, which has no flags.

    Args:
        pieces: WordPiece's tokens.
        files: by name, the contents of those files that exist among tokenizer.json,
            tokenizer_config.json, special_tokens_map.json and added_tokens.json.
        where: their directory, for messages.

    Returns:
        all tokens; and the added ones in the order of their precedence, without [CLS], [SEP], [PAD],
        [MASK] and [UNK], which are never found in a text here.

    Raises:
        InputError: the files contradict each other or the vocabulary, leave an id without a token, give
            [CLS] or another of these five another name, or describe a token that ours cannot be.
    """
    tokenizer = files.get("tokenizer.json", {})
    config = files.get("tokenizer_config.json", {})
    special_map = files.get("special_tokens_map.json", {})
    added: dict[int, AddedToken] = {}
    for name, entries in (
        ("tokenizer_config.json", _decoder(config, where)),
        ("tokenizer.json", _listed(tokenizer, where)),
        ("added_tokens.json", _encoder(files.get("added_tokens.json", {}), where)),
    ):
        for number, token in entries.items():
            known = added.setdefault(number, token)
            if known.content != token.content:
                raise InputError(
                    f"{where}: token {number} is {known.content!r}, but {token.content!r} in {name}"
                )
    _check_special(config, special_map, where)
    contents = {token.content for token in added.values()}
    for file in (config, special_map):
        for token in _special_tokens(file, where):
            if token.content not in contents:
                contents.add(token.content)
                number = max([pieces.size, *(taken + 1 for taken in added)])
                if token.content in pieces.tokens:
                    number = pieces.id(token.content)
                added[number] = token
    return _merge(pieces, added, where)


def added_tokens_decoder(tokens: Sequence[AddedToken], vocabulary: Vocabulary) -> dict[str, Any]:
    """Makes `added_tokens_decoder` of tokenizer_config.json, which includes [CLS] and the like."""
    special = [AddedToken(token, normalized=False, special=True) for token in SPECIAL_TOKENS]
    entries = {vocabulary.id(token.content): token for token in (*special, *tokens)}
    return {
        str(number): {"content": token.content, **{flag: getattr(token, flag) for flag in _FLAGS}}
        for number, token in sorted(entries.items())
    }


def _merge(
    pieces: Vocabulary, added: Mapping[int, AddedToken], where: str
) -> tuple[Vocabulary, tuple[AddedToken, ...]]:
    lines = list(pieces.tokens)
    tokens = []
    for number, token in sorted(added.items()):
        if number > len(lines):
            raise InputError(
                f"{where}: added token {token.content!r} is token {number}, but there is no token"
                f" {len(lines)}"
            )
        is_piece = number < len(lines)
        found = lines[number] if is_piece else None
        if is_piece and (found != token.content or pieces.id(token.content) != number):
            raise InputError(
                f"{where}: added token {token.content!r} is token {number}, but in the vocabulary"
                f" that is {found!r}"
            )
        if not is_piece:
            if token.content in lines:
                raise InputError(
                    f"{where}: {token.content!r} is token {lines.index(token.content)} and added"
                    f" as token {number}"
                )
            lines.append(token.content)
        if token.content not in SPECIAL_TOKENS:
            tokens.append(dataclasses.replace(token, is_piece=is_piece))
    # Where two tokens could be found in the same text, a special one goes first, then the earlier one.
    tokens.sort(key=lambda token: not token.special)
    return Vocabulary(tuple(lines)), tuple(tokens)


def _decoder(config: Mapping[str, Any], where: str) -> dict[int, AddedToken]:
    entries = config.get("added_tokens_decoder") or {}
    if not isinstance(entries, Mapping) or not all(str(number).isdecimal() for number in entries):
        raise InputError(f"{where}/tokenizer_config.json: added_tokens_decoder is no map from ids")
    return {int(number): _token(values, where) for number, values in entries.items()}


def _listed(tokenizer: Mapping[str, Any], where: str) -> dict[int, AddedToken]:
    entries = tokenizer.get("added_tokens") or []
    if not isinstance(entries, Sequence):
        raise InputError(f"{where}/tokenizer.json: added_tokens is no list")
    found = {}
    for values in entries:
        number = values.get("id") if isinstance(values, Mapping) else None
        if type(number) is not int or number < 0:
            raise InputError(f"{where}/tokenizer.json: added token {values!r} has no id")
        if number in found:
            raise InputError(f"{where}/tokenizer.json: two added tokens are token {number}")
        found[number] = _token(values, where)
    return found


def _encoder(entries: Mapping[str, Any], where: str) -> dict[int, AddedToken]:
    found: dict[int, AddedToken] = {}
    for content, number in entries.items():
        if type(number) is not int or number < 0 or number in found:
            raise InputError(f"{where}/added_tokens.json: {content!r} has the id {number!r}")
        special = content in SPECIAL_TOKENS
        found[number] = AddedToken(content, normalized=not special, special=special)
    return found


def _token(values: Any, where: str) -> AddedToken:
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: added token {values!r} is not described")
    flags = {flag: values[flag] for flag in _FLAGS if flag in values}
    # The default of transformers: special tokens are searched in the text before normalisation.
    flags.setdefault("normalized", not flags.get("special", False))
    try:
        return AddedToken(values.get("content", ""), **flags)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _content(value: Any) -> Any:
    return value.get("content") if isinstance(value, Mapping) else value


def _check_special(config: Mapping[str, Any], special_map: Mapping[str, Any], where: str) -> None:
    for name, wanted in SPECIAL.items():
        for file in (config, special_map):
            value = _content(file.get(name))
            if value is not None and value != wanted:
                raise InputError(f"{where}: {name} is {value!r}; only {wanted!r} can be read")


def _special_tokens(file: Mapping[str, Any], where: str) -> list[AddedToken]:
    """The special tokens of a file other than [CLS] and the like."""
    tokens = []
    for name in _LISTS:
        given = file.get(name) or []
        values = list(given.values()) if isinstance(given, Mapping) else given
        for value in values if isinstance(values, list) else [values]:
            described = value if isinstance(value, Mapping) else {"content": value}
            token = _token({**described, "special": True}, where)
            if token.content not in SPECIAL_TOKENS:
                tokens.append(token)
    return tokens
