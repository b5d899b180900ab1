"""Splitting text into BERT's words, in a TensorFlow graph."""

from typing import NamedTuple

import tensorflow as tf

from lvbert_tf.text import characters
from lvbert_tf.text.vocabulary import UNK

# Longer words are [UNK] in the reference (`max_input_chars_per_word`).
MAX_WORD_CHARACTERS = 200
_SPACE = ord(" ")


class Sources(NamedTuple):
    """Where the characters of words come from, for the words of a batch one after the other.

    Attributes:
      byte_splits: int64 [n + 1], how many bytes of the words come before each character, and in
        all.
      starts: int64 [n], where in its string the character begins that it was made of, in bytes.
      ends: int64 [n], where that character ends; removed combining marks belong to it.
      word_splits: int64 [words + 1], how many characters come before each word, and in all.
    """

    byte_splits: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    word_splits: tf.Tensor


class WordSplitter(tf.Module):
    """Cleans, lower-cases and splits strings exactly as the reference's `BasicTokenizer`.

    Args:
      lowercase: whether to lower-case.
      strip_accents: whether to decompose characters and remove combining marks.
      separate: whether punctuation is set apart; False for `normalize_with_sources`.
    """

    def __init__(self, lowercase: bool, strip_accents: bool, separate: bool = True):
        super().__init__()
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        with tf.init_scope():
            values, row_splits = map(
                tf.constant, characters.expansion_table(lowercase, strip_accents, separate)
            )
            self._expansions = tf.RaggedTensor.from_row_splits(values, row_splits, validate=False)
            if lowercase:
                self._sigma_table = tf.constant(characters.sigma_table())
            if strip_accents:
                self._mark_table = tf.constant(characters.mark_table())

    def __call__(self, strings: tf.Tensor) -> tf.RaggedTensor:
        """Splits strings into words.

        Args:
          strings: string [batch], UTF-8; invalid bytes are dropped.

        Returns:
          Ragged string [batch, words]. A word of more than 200 characters is [UNK].
        """
        decoded = tf.strings.unicode_decode(_keep_apart(strings), "UTF-8", "ignore")
        words, _ = _split(decoded, self._expand(decoded.values))
        return words

    def split_with_sources(self, strings: tf.Tensor) -> tuple[tf.RaggedTensor, Sources]:
        """Splits strings into words as a call does, and says where their characters come from."""
        decoded, expanded, starts, ends = self._expand_with_sources(strings)
        words, spelled = _split(decoded, expanded)
        origins = tf.boolean_mask(expanded.value_rowids(), expanded.values != _SPACE)
        return words, _sources(spelled, tf.gather(starts, origins), tf.gather(ends, origins))

    def normalize_with_sources(self, strings: tf.Tensor) -> tuple[tf.Tensor, Sources]:
        """Cleans and lower-cases strings [batch] without splitting them; each is a word of `Sources`."""
        decoded, expanded, starts, ends = self._expand_with_sources(strings)
        splits = tf.gather(expanded.row_splits, decoded.row_splits)
        origins = tf.RaggedTensor.from_row_splits(expanded.value_rowids(), splits, validate=False)
        origins = origins[:, :-1].values  # without the space that keeps strings apart
        text = tf.RaggedTensor.from_row_splits(expanded.values, splits, validate=False)[:, :-1]
        sources = _sources(text, tf.gather(starts, origins), tf.gather(ends, origins))
        return tf.strings.unicode_encode(text, "UTF-8"), sources

    def _expand_with_sources(self, strings: tf.Tensor):
        """Code points [batch, code points], their expansions, where each begins and where it ends."""
        decoded, offsets = tf.strings.unicode_decode_with_offsets(
            _keep_apart(strings), "UTF-8", "ignore"
        )
        expanded = self._expand(decoded.values)
        starts = offsets.values
        ends = starts + _utf8_lengths(decoded.values)
        if self.strip_accents:
            ends = self._extend_over_marks(ends, decoded.values, expanded.row_lengths() > 0)
        return decoded, expanded, starts, ends

    def _expand(self, code_points: tf.Tensor) -> tf.RaggedTensor:
        """The text that takes the place of each code point; int32 [n] to ragged int32 [n, text]."""
        if self.lowercase:
            code_points = tf.cond(
                tf.reduce_any(code_points == characters.CAPITAL_SIGMA),
                lambda: self._lower_final_sigma(code_points),
                lambda: code_points,
            )
        return tf.gather(self._expansions, code_points)

    def _lower_final_sigma(self, code_points: tf.Tensor) -> tf.Tensor:
        """Lower-cases each capital sigma that ends a word; int32 [n] to int32 [n]."""
        kinds = tf.gather(self._sigma_table, code_points)
        solid = kinds != characters.SIGMA_SKIP
        cased = tf.boolean_mask(kinds == characters.SIGMA_CASED, solid)
        cased = tf.concat([[False], cased, [False]], axis=0)
        # The place of a solid character in `cased`; its solid neighbours are beside it there.
        place = tf.cumsum(tf.cast(solid, tf.int32))
        final = (
            (code_points == characters.CAPITAL_SIGMA)
            & tf.gather(cased, tf.maximum(place - 1, 0))
            & ~tf.gather(cased, place + 1)
        )
        return tf.where(final, characters.FINAL_SIGMA, code_points)

    def _extend_over_marks(self, ends, code_points, is_kept):
        """Moves the end of each character behind the marks that are removed after it; int64 [n]."""
        is_mark = tf.gather(self._mark_table, code_points)
        # A character and what is removed after it; segment 0 is what comes before the first one.
        segments = tf.cumsum(tf.cast(is_kept, tf.int32))
        furthest = tf.math.segment_max(tf.where(is_kept | is_mark, ends, 0), segments)
        return tf.gather(furthest, segments)


def _sources(spelled: tf.RaggedTensor, starts: tf.Tensor, ends: tf.Tensor) -> Sources:
    """Of words, ragged int32 [words, characters], whose characters begin and end so."""
    splits = tf.concat([[0], tf.cumsum(_utf8_lengths(spelled.values))], axis=0)
    return Sources(splits, starts, ends, spelled.row_splits)


def _split(decoded: tf.RaggedTensor, expanded: tf.RaggedTensor):
    """Splits expanded text into words.

    Args:
      decoded: ragged int32 [batch, code points], a space at the end of each row.
      expanded: ragged int32 [code points of the batch, text].

    Returns:
      The words, ragged string [batch, words], and their spelling, ragged int32 [words of the batch,
      characters], which is whole for the words that are [UNK] for their length too.
    """
    text = expanded.values
    inside = text != _SPACE
    starts = inside & tf.concat([[True], ~inside[:-1]], axis=0)
    characters_before = _count_before(inside)
    word_splits = tf.concat(
        [tf.boolean_mask(characters_before[:-1], starts), characters_before[-1:]], axis=0
    )
    spelled = tf.RaggedTensor.from_row_splits(
        tf.boolean_mask(text, inside), word_splits, validate=False
    )
    words = tf.where(
        spelled.row_lengths() > MAX_WORD_CHARACTERS,
        UNK,
        tf.strings.unicode_encode(spelled, "UTF-8"),
    )
    string_splits = tf.gather(expanded.row_splits, decoded.row_splits)
    words_before = tf.gather(_count_before(starts), string_splits)
    words = tf.RaggedTensor.from_row_splits(words, words_before, validate=False)
    return words, spelled


def _keep_apart(strings: tf.Tensor) -> tf.Tensor:
    # The space keeps the last word of a string apart from the first word of the next one, so that
    # all strings can be split as one flat sequence of characters.
    return tf.strings.join([strings, " "])


def _utf8_lengths(code_points: tf.Tensor) -> tf.Tensor:
    """How many bytes each code point has; int32 [n] to int64 [n]."""
    bounds = tf.constant([0x80, 0x800, 0x10000])
    return 1 + tf.reduce_sum(tf.cast(code_points[:, tf.newaxis] >= bounds, tf.int64), axis=1)


def _count_before(flags: tf.Tensor) -> tf.Tensor:
    """How many flags are set before each place and in all; bool [n] to int64 [n + 1]."""
    return tf.concat([[0], tf.cumsum(tf.cast(flags, tf.int64))], axis=0)
