"""Finds added tokens in texts as the tokenizers of Hugging Face do, in a TensorFlow graph."""

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

# The mark stands before and after each token that was found. In the text itself it is replaced by the
# other one. Both are control characters, which the tokenizer removes from texts.
_MARK, _OTHER = "\x01", "\x02"
# Unicode's word characters and whitespace, as character classes of RE2.
_WORD = (
    r"[\pL\pM\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}"
    r"\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}]"
)
_SPACE = r"[\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
_LONGEST_CHARACTER = 4  # bytes


class Divided(NamedTuple):
    """Strings that were divided at the added tokens in them.

    Attributes:
      gaps: the text before, between and after the added tokens, ragged string [batch, gaps].
      starts: the offset of each gap in its string, in bytes, int32 [gaps of the batch].
      tokens: the added token after each gap as a stacked token, ragged int32 [gaps of the batch, 0 or 1,
        3]. The last gap of a string has none.
    """

    gaps: tf.RaggedTensor
    starts: tf.Tensor
    tokens: tf.RaggedTensor


class _Finder(tf.Module):
    """Finds tokens by their spelling. Where several begin, the longest is found; none overlap.

    Args:
      spellings: how the tokens are spelled in the strings.
      tokens: the token of each spelling. If several have the same spelling, the first one is found.
      ids: the id of each token.
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
        chosen = [kept[longest_first[index]] for index in order]
        self._hashes = tf.constant(hashes[order])
        self._ids = tf.constant([number for _, number in chosen], tf.int32)
        self._single_word = tf.constant([token.single_word for token, _ in chosen])
        self._lstrip = tf.constant([token.lstrip for token, _ in chosen])
        self._rstrip = tf.constant([token.rstrip for token, _ in chosen])

    def __call__(self, strings: tf.Tensor) -> Divided:
        """Divides strings [batch]."""
        strings = tf.strings.regex_replace(strings, _MARK, _OTHER)
        marked = tf.strings.regex_replace(strings, self._pattern, rf"{_MARK}\1{_MARK}")
        parts = tf.strings.split(marked, _MARK)
        rows = parts.value_rowids()
        index = tf.range(tf.size(rows, tf.int64)) - tf.gather(parts.row_starts(), rows)
        found = index % 2 == 1  # gaps and tokens alternate
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

    def _divide(self, strings, rows, starts, ends, number) -> Divided:
        """Divides strings at tokens, whose rows, offsets and numbers are int [tokens of the batch]."""
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
        # A token starts where the gap before it ends, and ends where the next gap starts.
        token_ids = after_gaps(tf.gather(self._ids, number), zeros)
        columns = (token_ids, begin + tf.strings.length(kept), tf.roll(begin, -1, axis=0))
        is_ended = after_gaps(tf.ones_like(number, tf.bool), never)
        tokens = tf.RaggedTensor.from_row_lengths(
            tf.boolean_mask(tf.stack(columns, axis=1), is_ended),
            tf.cast(is_ended, tf.int64),
            validate=False,
        )
        return Divided(gaps.with_values(kept), begin, tokens)


class AddedTokenSplitter(tf.Module):
    """Finds added tokens in texts and gives the text between them to a tokenizer.

    First it looks for the tokens that are not `normalized`, as they are spelled. In the rest of the text
    it looks for the other ones; both the text and their spelling are normalised before, which means
    cleaned, lower-cased, without accents, and with spaces around ideographs.

    Args:
      tokens: the added tokens. If two have the same spelling, the first one is found.
      ids: the id of each token.
      lowercase: whether normalising lower-cases.
      strip_accents: whether normalising removes accents.

    Raises:
      InputError: the normal form of a token is empty.
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
                spelled, _ = self._normalizer.normalize_with_alignment(tf.constant(contents))
                spellings = [spelling.decode() for spelling in spelled.numpy()]
                for spelling, content in zip(spellings, contents, strict=True):
                    if not spelling.strip():
                        raise InputError(
                            f"added token {content!r}: nothing is left of it, normalised"
                        )
                self._normalized = _Finder(spellings, *zip(*normalized, strict=True))

    def tokenize(self, strings: tf.Tensor, tokenize: Tokenize) -> tf.RaggedTensor:
        """Tokenizes strings.

        Args:
          strings: string [batch].
          tokenize: tokenizes the text between added tokens; from string [n] to ragged [n, ids].

        Returns:
          Ids, ragged int32 [batch, ids].
        """

        def normalize(texts):
            normalized, _ = self._normalizer.normalize_with_alignment(texts)
            return _join(self._normalized(normalized), tokenize)

        rest = tokenize if self._normalized is None else normalize
        return rest(strings) if self._verbatim is None else _join(self._verbatim(strings), rest)

    def align(self, strings: tf.Tensor, align: Tokenize) -> tf.RaggedTensor:
        """Tokenizes strings with offsets.

        Args:
          strings: string [batch].
          align: does the same for the text between added tokens; from string [n] to ragged
            [n, tokens, 3].

        Returns:
          Stacked tokens, ragged int32 [batch, tokens, 3]; see `offsets`.
        """

        def normalize(texts):
            normalized, alignment = self._normalizer.normalize_with_alignment(texts)
            ids, starts, ends = offsets.unstack(_join_stacked(self._normalized(normalized), align))
            whole = tf.zeros_like(normalized, tf.bool)
            starts, ends = offsets.to_original(whole, alignment, starts, ends)
            return offsets.stack(ids, starts, ends)

        rest = align if self._normalized is None else normalize
        if self._verbatim is None:
            return rest(strings)
        return _join_stacked(self._verbatim(strings), rest)


def _join(divided: Divided, tokenize: Tokenize) -> tf.RaggedTensor:
    ids = divided.tokens.with_values(divided.tokens.values[:, 0])
    around = tf.concat([tokenize(divided.gaps.values), ids], axis=1)
    return divided.gaps.with_values(around).merge_dims(1, 2)


def _join_stacked(divided: Divided, align: Tokenize) -> tf.RaggedTensor:
    rest = offsets.shift(align(divided.gaps.values), divided.starts)
    around = tf.concat([rest, divided.tokens], axis=1)
    return divided.gaps.with_values(around).merge_dims(1, 2)


def _is_beside_word(strings, starts, ends) -> tf.Tensor:
    """Whether a word character stands directly before or after each token; bool [tokens]."""
    first = tf.maximum(starts - _LONGEST_CHARACTER, 0)
    before = tf.strings.substr(strings, first, starts - first)
    after = tf.strings.substr(strings, ends, tf.fill(tf.shape(ends), _LONGEST_CHARACTER))
    return tf.strings.regex_full_match(before, rf"\C*{_WORD}") | tf.strings.regex_full_match(
        after, rf"{_WORD}\C*"
    )


def _hash(strings: tf.Tensor) -> tf.Tensor:
    return tf.strings.to_hash_bucket_fast(strings, 2**63 - 1)
