"""Writes our tokenizer for Hugging Face's `tokenizers`, with the rules for characters that ours has.

BERT's tokenizer of that library differs from the reference: it keeps characters that are unassigned in
Python's Unicode, knows fewer ideographs, accents and punctuation marks, and makes no sigma final. So
what is written does all this by classes of characters, which come from the tables of `text.characters`.
Two differences are left: U+11938, a vowel sign, is not decomposed; and spacing marks in reversed
canonical order, which stay so in ours (see `Tokenizer`), are put in order.
"""

from collections.abc import Callable, Iterable

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers, processors

from lvbert_tf.errors import InputError
from lvbert_tf.text import Tokenizer, characters
from lvbert_tf.text.added_tokens import AddedToken
from lvbert_tf.text.vocabulary import CLS, SEP, UNK
from lvbert_tf.text.words import MAX_WORD_CHARACTERS

_SURROGATES = range(0xD800, 0xE000)


def tokenizer_json(tokenizer: Tokenizer) -> str:
    """Makes the content of a `tokenizer.json`.

    The library then finds the same ids as the tokenizer, without special tokens
    (`encode(text, add_special_tokens=False)`). With them it makes `[CLS] text [SEP]`, or
    `[CLS] text [SEP] text [SEP]` of a pair. `[CLS]` and the like in a text are text.

    Args:
      tokenizer: the tokenizer.

    Raises:
      InputError: an added token stands among WordPiece's tokens.
    """
    vocabulary = tokenizer.vocabulary
    added = [token for token in tokenizer.added_tokens if not token.is_piece]
    model = tokenizers.models.WordPiece(
        _pieces(tokenizer, {token.content for token in added}),
        unk_token=UNK,
        max_input_chars_per_word=MAX_WORD_CHARACTERS,
    )
    made = tokenizers.Tokenizer(model)
    made.normalizer = _normalizer(tokenizer.lowercase, tokenizer.strip_accents)
    alone = _characters(
        lambda char: characters.is_punctuation(char) or characters.is_ideograph(char)
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(alone), "isolated")]
    )
    made.post_processor = processors.BertProcessing(
        (SEP, vocabulary.sep_id), (CLS, vocabulary.cls_id)
    )
    made.decoder = tokenizers.decoders.WordPiece()
    by_id = sorted(tokenizer.added_tokens, key=lambda token: vocabulary.id(token.content))
    for token in by_id:
        (made.add_special_tokens if token.special else made.add_tokens)([_theirs(token)])
    return made.to_str(pretty=True)


def _pieces(tokenizer: Tokenizer, added: set[str]) -> dict[str, int]:
    """WordPiece's tokens with their ids. The library counts on from their number for added tokens."""
    vocabulary = tokenizer.vocabulary
    pieces = vocabulary.tokens[: vocabulary.size - len(added)]
    if among := added.intersection(pieces):
        raise InputError(
            f"added token {min(among)!r} stands among the other tokens of the vocabulary;"
            " Hugging Face's are after them"
        )
    # A token that stands on a later line too is never found on this one, but it counts.
    return {
        token if vocabulary.id(token) == line else f"\x7f{line}": line
        for line, token in enumerate(pieces)
    }


def _theirs(token: AddedToken) -> tokenizers.AddedToken:
    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return tokenizers.AddedToken(token.content, **{flag: getattr(token, flag) for flag in flags})


def _normalizer(lowercase: bool, strip_accents: bool) -> normalizers.Normalizer:
    steps: list[normalizers.Normalizer] = [
        normalizers.Replace(Regex(_class_of(_code_points(characters.is_dropped))), "")
    ]
    if lowercase:
        steps.append(normalizers.Replace(Regex(_final_sigma()), chr(characters.FINAL_SIGMA)))
    # Whitespace becomes spaces, and ideographs get some around them, which added tokens may have.
    steps.append(
        normalizers.BertNormalizer(
            clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False
        )
    )
    if lowercase:
        steps.append(normalizers.Lowercase())
    if strip_accents:
        is_mark = characters.mark_table()
        marks = _characters(lambda char: is_mark[ord(char)])
        steps += [normalizers.NFD(), normalizers.Replace(Regex(marks), "")]
    return normalizers.Sequence(steps)


def _final_sigma() -> str:
    """A pattern of the sigmas that end a word; see `characters.sigma_table`."""
    kinds = characters.sigma_table()
    cased = _characters(lambda char: kinds[ord(char)] == characters.SIGMA_CASED)
    skipped = _characters(lambda char: kinds[ord(char)] == characters.SIGMA_SKIP)
    sigma = chr(characters.CAPITAL_SIGMA)
    return rf"{cased}{skipped}*\K{sigma}(?!{skipped}*{cased})"


def _characters(wanted: Callable[[str], bool]) -> str:
    """A class of those characters that are not dropped."""
    return _class_of(_code_points(lambda char: not characters.is_dropped(char) and wanted(char)))


def _code_points(wanted: Callable[[str], bool]) -> Iterable[int]:
    return (
        code
        for code in range(characters.NUM_CODE_POINTS)
        if code not in _SURROGATES and wanted(chr(code))
    )


def _class_of(code_points: Iterable[int]) -> str:
    """A regular expression for one of the ascending code points, as ranges."""
    ranges: list[tuple[int, int]] = []
    for code in code_points:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return "[" + "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges) + "]"
