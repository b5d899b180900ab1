"""Splitting text into BERT's words, in a TensorFlow graph."""

import tensorflow as tf

from lvbert_tf.text import characters
from lvbert_tf.text.vocabulary import UNK

# Longer words are [UNK] in the reference (`max_input_chars_per_word`).
MAX_WORD_CHARACTERS = 200
_SPACE = ord(" ")


class WordSplitter(tf.Module):
    """Cleans, lower-cases and splits strings exactly as the reference's `BasicTokenizer`.

    Args:
      lowercase: whether to lower-case.
      strip_accents: whether to decompose characters and remove combining marks.
    """

    def __init__(self, lowercase: bool, strip_accents: bool):
        super().__init__()
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        with tf.init_scope():
            values, row_splits = map(
                tf.constant, characters.expansion_table(lowercase, strip_accents)
            )
            self._expansions = tf.RaggedTensor.from_row_splits(values, row_splits, validate=False)
            if lowercase:
                self._sigma_table = tf.constant(characters.sigma_table())

    def __call__(self, strings: tf.Tensor) -> tf.RaggedTensor:
        """Splits strings into words.

        Args:
          strings: string [batch], UTF-8; invalid bytes are dropped.

        Returns:
          Ragged string [batch, words]. A word of more than 200 characters is [UNK].
        """
        # The space keeps the last word of a string apart from the first word of the next one, so
        # that everything below works on one flat sequence of characters.
        decoded = tf.strings.unicode_decode(tf.strings.join([strings, " "]), "UTF-8", "ignore")
        code_points = decoded.flat_values
        if self.lowercase:
            code_points = tf.cond(
                tf.reduce_any(code_points == characters.CAPITAL_SIGMA),
                lambda: self._lower_final_sigma(code_points),
                lambda: code_points,
            )
        expanded = tf.gather(self._expansions, code_points)
        text = expanded.flat_values

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
        return tf.RaggedTensor.from_row_splits(words, words_before, validate=False)

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


def _count_before(flags: tf.Tensor) -> tf.Tensor:
    """How many flags are set before each place and in all; bool [n] to int64 [n + 1]."""
    return tf.concat([[0], tf.cumsum(tf.cast(flags, tf.int64))], axis=0)
