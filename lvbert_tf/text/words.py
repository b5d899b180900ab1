"""Splits text into the words of BERT, in a TensorFlow graph."""

from typing import NamedTuple

import tensorflow as tf

from lvbert_tf.text import characters
from lvbert_tf.text.vocabulary import UNK

# The reference replaces longer words by [UNK] (`max_input_chars_per_word`).
MAX_WORD_CHARACTERS = 200
_SPACE = ord(" ")


class Alignment(NamedTuple):
    """Which character of the original string each character of a word was made of.

    The words of a batch follow one another and have n characters.

    Attributes:
      byte_splits: int64 [n + 1], the number of bytes before each character of the words, and of all.
      starts: int64 [n], the offset in bytes at which the original character begins in its string.
      ends: int64 [n], the offset at which the original character ends; combining marks after it that
        were removed belong to it.
      word_splits: int64 [words + 1], the number of characters before each word, and of all.
    """

    byte_splits: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    word_splits: tf.Tensor


class WordSplitter(tf.Module):
    """Cleans, lower-cases and splits strings exactly as the reference's `BasicTokenizer` does.

    Args:
      lowercase: whether to lower-case.
      strip_accents: whether to decompose characters and remove combining marks.
      separate: whether each punctuation mark is a word; False for `normalize_with_alignment`.
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
          Ragged string [batch, words]. Words of more than 200 characters are replaced by [UNK].
        """
        decoded = tf.strings.unicode_decode(_keep_apart(strings), "UTF-8", "ignore")
        words, _ = _split(decoded, self._expand(decoded.values))
        return words

    def split_with_alignment(self, strings: tf.Tensor) -> tuple[tf.RaggedTensor, Alignment]:
        """Splits strings into words as a call does, and aligns their characters with the strings."""
        decoded, expanded, starts, ends = self._expand_with_offsets(strings)
        words, spelled = _split(decoded, expanded)
        originals = tf.boolean_mask(expanded.value_rowids(), expanded.values != _SPACE)
        return words, _alignment(spelled, tf.gather(starts, originals), tf.gather(ends, originals))

    def normalize_with_alignment(self, strings: tf.Tensor) -> tuple[tf.Tensor, Alignment]:
        """Cleans and lower-cases strings [batch], each of which is one word of the alignment."""
        decoded, expanded, starts, ends = self._expand_with_offsets(strings)
        splits = tf.gather(expanded.row_splits, decoded.row_splits)
        originals = tf.RaggedTensor.from_row_splits(expanded.value_rowids(), splits, validate=False)
        originals = originals[:, :-1].values  # without the space that keeps strings apart
        text = tf.RaggedTensor.from_row_splits(expanded.values, splits, validate=False)[:, :-1]
        alignment = _alignment(text, tf.gather(starts, originals), tf.gather(ends, originals))
        return tf.strings.unicode_encode(text, "UTF-8"), alignment

    def _expand_with_offsets(self, strings: tf.Tensor):
        """Code points [batch, code points], their expansions, and the offsets of both their ends."""
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
        """The text that replaces each code point; int32 [n] to ragged int32 [n, text]."""
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
        # The index of each solid character in `cased`, where its solid neighbours are next to it.
        index = tf.cumsum(tf.cast(solid, tf.int32))
        final = (
            (code_points == characters.CAPITAL_SIGMA)
            & tf.gather(cased, tf.maximum(index - 1, 0))
            & ~tf.gather(cased, index + 1)
        )
        return tf.where(final, characters.FINAL_SIGMA, code_points)

    def _extend_over_marks(self, ends, code_points, is_kept):
        """Moves the end of each character behind the combining marks after it, which are removed."""
        is_mark = tf.gather(self._mark_table, code_points)
        # Segment i has the i-th kept character and what is removed after it; segment 0 comes before all.
        segments = tf.cumsum(tf.cast(is_kept, tf.int32))
        furthest = tf.math.segment_max(tf.where(is_kept | is_mark, ends, 0), segments)
        return tf.gather(furthest, segments)


def _alignment(spelled: tf.RaggedTensor, starts: tf.Tensor, ends: tf.Tensor) -> Alignment:
    """The alignment of words, ragged int32 [words, characters]."""
    splits = tf.concat([[0], tf.cumsum(_utf8_lengths(spelled.values))], axis=0)
    return Alignment(splits, starts, ends, spelled.row_splits)


def _split(decoded: tf.RaggedTensor, expanded: tf.RaggedTensor):
    """Splits expanded text into words.

    Args:
      decoded: ragged int32 [batch, code points], a space at the end of each row.
      expanded: ragged int32 [code points of the batch, text].

    Returns:
      The words, ragged string [batch, words], and their spelling, ragged int32 [words of the batch,
      characters]. Words that are too long are [UNK] in the former and complete in the latter.
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
    # All strings are split as one sequence of characters. The space separates the last word of a string
    # from the first word of the next one.
    return tf.strings.join([strings, " "])


def _utf8_lengths(code_points: tf.Tensor) -> tf.Tensor:
    """The number of bytes of each code point in UTF-8; int32 [n] to int64 [n]."""
    bounds = tf.constant([0x80, 0x800, 0x10000])
    return 1 + tf.reduce_sum(tf.cast(code_points[:, tf.newaxis] >= bounds, tf.int64), axis=1)


def _count_before(flags: tf.Tensor) -> tf.Tensor:
    """The number of flags that are set before each one, and of all; bool [n] to int64 [n + 1]."""
    return tf.concat([[0], tf.cumsum(tf.cast(flags, tf.int64))], axis=0)
