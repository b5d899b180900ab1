"""Finding added tokens in texts, in a TensorFlow graph, as the tokenizers of Hugging Face do."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.text import offsets
from lvbert_tf.text.added_tokens import AddedToken
from lvbert_tf.text.plain_text import Tokenize
from lvbert_tf.text.words import WordSplitter

# Stands around what was found. Both are control characters, which are removed from texts anyhow.
_MARK, _OTHER = "\x01", "\x02"
# What Unicode calls word characters and whitespace, as classes of RE2.
_WORD = (
    r"[\pL\pM\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}"
    r"\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}]"
)
_SPACE = r"[\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
_LONGEST_CHARACTER = 4  # bytes


class Found(NamedTuple):
    """Strings divided at the tokens that were found.

    Attributes:
      gaps: ragged string [batch, gaps], the text before, between and after the tokens of a string.
      starts: int32 [gaps of the batch], where each begins in its string, in bytes.
      tokens: ragged int32 [gaps of the batch, 0 or 1, 3], the token that ends each gap, if one does:
        id, start and end.
    """

    gaps: tf.RaggedTensor
    starts: tf.Tensor
    tokens: tf.RaggedTensor


class _Finder(tf.Module):
    """Finds tokens by their spelling: at each place the longest, and none inside another.

    Args:
      spellings: of the tokens, in the form that they have in the strings.
      tokens: beside them; of those with one spelling the first counts.
      ids: theirs.
    """

    def __init__(self, spellings: Sequence[str], tokens: Sequence[AddedToken], ids: Sequence[int]):
        super().__init__()
        kept: dict[str, tuple[AddedToken, int]] = {}
        for spelling, token, number in zip(spellings, tokens, ids, strict=True):
            kept.setdefault(spelling, (token, number))
        longest_first = sorted(kept, key=lambda spelling: -len(spelling))
        self._pattern = f"({'|'.join(map(re.escape, longest_first))})"
        hashes = np.asarray(_hash(tf.constant(longest_first)))
        order = np.argsort(hashes)
        chosen = [kept[longest_first[place]] for place in order]
        self._hashes = tf.constant(hashes[order])
        self._ids = tf.constant([number for _, number in chosen], tf.int32)
        self._single_word = tf.constant([token.single_word for token, _ in chosen])
        self._lstrip = tf.constant([token.lstrip for token, _ in chosen])
        self._rstrip = tf.constant([token.rstrip for token, _ in chosen])

    def __call__(self, strings: tf.Tensor) -> Found:
        """Divides strings [batch]."""
        strings = tf.strings.regex_replace(strings, _MARK, _OTHER)
        marked = tf.strings.regex_replace(strings, self._pattern, rf"{_MARK}\1{_MARK}")
        parts = tf.strings.split(marked, _MARK)
        rows = parts.value_rowids()
        place = tf.range(tf.size(rows, tf.int64)) - tf.gather(parts.row_starts(), rows)
        found = place % 2 == 1  # text and tokens take turns
        starts = tf.boolean_mask(offsets.part_starts(parts, separator=0), found)
        rows, spelled = tf.boolean_mask(rows, found), tf.boolean_mask(parts.values, found)
        ends = starts + tf.strings.length(spelled)
        number = tf.searchsorted(self._hashes, _hash(spelled))
        beside = _is_beside_word(tf.gather(strings, rows), starts, ends)
        counts = ~(tf.gather(self._single_word, number) & beside)
        rows, starts, ends, number = (
            tf.boolean_mask(column, counts) for column in (rows, starts, ends, number)
        )
        return self._divide(strings, rows, starts, ends, number)

    def _divide(self, strings, rows, starts, ends, number) -> Found:
        """From the places of tokens, each column int [tokens of the batch], to the strings' parts."""
        count = tf.size(strings, tf.int64)
        zeros, never = tf.zeros([count], tf.int32), tf.zeros([count], tf.bool)

        def before_gaps(column, first):
            column = tf.RaggedTensor.from_value_rowids(column, rows, count, validate=False)
            return tf.concat([first[:, tf.newaxis], column], axis=1)

        def after_gaps(column, last):
            column = tf.RaggedTensor.from_value_rowids(column, rows, count, validate=False)
            return tf.concat([column, last[:, tf.newaxis]], axis=1).values

        gaps = before_gaps(ends, zeros)
        begin, end = gaps.values, after_gaps(starts, tf.strings.length(strings))
        texts = tf.strings.substr(tf.gather(strings, gaps.value_rowids()), begin, end - begin)
        is_stripped = before_gaps(tf.gather(self._rstrip, number), never).values
        trimmed = tf.strings.regex_replace(texts, rf"\A{_SPACE}+", "")
        trimmed = tf.where(is_stripped, trimmed, texts)
        begin += tf.strings.length(texts) - tf.strings.length(trimmed)
        is_stripped = after_gaps(tf.gather(self._lstrip, number), never)
        kept = tf.strings.regex_replace(trimmed, rf"{_SPACE}+\z", "")
        kept = tf.where(is_stripped, kept, trimmed)
        # The token that ends a gap reaches from there to where the next gap begins.
        token_ids = after_gaps(tf.gather(self._ids, number), zeros)
        columns = (token_ids, begin + tf.strings.length(kept), tf.roll(begin, -1, axis=0))
        is_ended = after_gaps(tf.ones_like(number, tf.bool), never)
        tokens = tf.RaggedTensor.from_row_lengths(
            tf.boolean_mask(tf.stack(columns, axis=1), is_ended),
            tf.cast(is_ended, tf.int64),
            validate=False,
        )
        return Found(gaps.with_values(kept), begin, tokens)


class AddedTokenSplitter(tf.Module):
    """Takes added tokens out of texts; what is between them goes to a tokenizer.

    First those that are spelled so in the text, then, in what is left, those that are spelled so when
    both are normalised: cleaned, lower-cased, without accents, ideographs apart.

    Args:
      tokens: the added tokens, in the order in which they count.
      ids: theirs.
      lowercase: whether normalising lower-cases.
      strip_accents: whether it removes accents.

    Raises:
      InputError: nothing is left of a token when it is normalised.
    """

    def __init__(
        self,
        tokens: Sequence[AddedToken],
        ids: Sequence[int],
        lowercase: bool,
        strip_accents: bool,
    ):
        super().__init__()
        pairs = list(zip(tokens, ids, strict=True))
        verbatim = [pair for pair in pairs if not pair[0].normalized]
        normalized = [pair for pair in pairs if pair[0].normalized]
        self._verbatim = self._normalized = None
        with tf.init_scope():
            if verbatim:
                contents = [token.content for token, _ in verbatim]
                self._verbatim = _Finder(contents, *zip(*verbatim, strict=True))
            if normalized:
                self._normalizer = WordSplitter(lowercase, strip_accents, separate=False)
                contents = [token.content for token, _ in normalized]
                spelled, _ = self._normalizer.normalize_with_sources(tf.constant(contents))
                spellings = [spelling.decode() for spelling in spelled.numpy()]
                for spelling, content in zip(spellings, contents, strict=True):
                    if not spelling.strip():
                        raise InputError(
                            f"added token {content!r}: nothing is left of it, normalised"
                        )
                self._normalized = _Finder(spellings, *zip(*normalized, strict=True))

    def tokenize(self, strings: tf.Tensor, tokenize: Tokenize) -> tf.RaggedTensor:
        """Ids of strings [batch], ragged [batch, ids]; `tokenize` does the same for the rest."""

        def normalize(texts):
            normalized, _ = self._normalizer.normalize_with_sources(texts)
            return _join(self._normalized(normalized), tokenize)

        rest = tokenize if self._normalized is None else normalize
        return rest(strings) if self._verbatim is None else _join(self._verbatim(strings), rest)

    def align(self, strings: tf.Tensor, align: Tokenize) -> tf.RaggedTensor:
        """Packed tokens of strings [batch], ragged [batch, tokens, 3]; see `offsets.pack`."""

        def normalize(texts):
            normalized, sources = self._normalizer.normalize_with_sources(texts)
            ids, starts, ends = offsets.unpack(_join_packed(self._normalized(normalized), align))
            whole = tf.zeros_like(normalized, tf.bool)
            starts, ends = offsets.align_to_sources(whole, sources, starts, ends)
            return offsets.pack(ids, starts, ends)

        rest = align if self._normalized is None else normalize
        if self._verbatim is None:
            return rest(strings)
        return _join_packed(self._verbatim(strings), rest)


def _join(found: Found, tokenize: Tokenize) -> tf.RaggedTensor:
    ids = found.tokens.with_values(found.tokens.values[:, 0])
    around = tf.concat([tokenize(found.gaps.values), ids], axis=1)
    return found.gaps.with_values(around).merge_dims(1, 2)


def _join_packed(found: Found, align: Tokenize) -> tf.RaggedTensor:
    rest = offsets.shift(align(found.gaps.values), found.starts)
    around = tf.concat([rest, found.tokens], axis=1)
    return found.gaps.with_values(around).merge_dims(1, 2)


def _is_beside_word(strings, starts, ends) -> tf.Tensor:
    """Whether a word character stands before or after each of the places; bool [places]."""
    first = tf.maximum(starts - _LONGEST_CHARACTER, 0)
    before = tf.strings.substr(strings, first, starts - first)
    after = tf.strings.substr(strings, ends, tf.fill(tf.shape(ends), _LONGEST_CHARACTER))
    return tf.strings.regex_full_match(before, rf"\C*{_WORD}") | tf.strings.regex_full_match(
        after, rf"{_WORD}\C*"
    )


def _hash(strings: tf.Tensor) -> tf.Tensor:
    return tf.strings.to_hash_bucket_fast(strings, 2**63 - 1)
