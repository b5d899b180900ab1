"""Packs the tokens of texts into the rows that a model reads: `[CLS] a [SEP] b [SEP]`."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_text as tf_text

from lvbert_tf.text.vocabulary import CLS, SEP, UNK, Vocabulary


def pack(
    segments: Sequence[tf.RaggedTensor], vocabulary: Vocabulary, max_length: int
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Joins one or two segments to a row, with [CLS] before and [SEP] after each of them.

    Where the row is too long, tokens are removed from the end of the longer segment.

    Args:
      segments: one or two tensors of token ids, ragged int32 [batch, tokens].
      vocabulary: the vocabulary, for the ids of [CLS] and [SEP].
      max_length: the most tokens that a row may have, special tokens included.

    Returns:
      token_ids and segment_ids, ragged int32 [batch, tokens], not padded.
    """
    return _join(segments, vocabulary.id(CLS), vocabulary.id(SEP), max_length)


def pack_words(
    pieces: tf.RaggedTensor,
    values: Sequence[tf.RaggedTensor],
    vocabulary: Vocabulary,
    max_length: int,
) -> tuple[tf.RaggedTensor, ...]:
    """Joins the words of a sentence to one row, and values of words to rows of the same shape.

    A word that has no pieces, because all its characters are removed, becomes [UNK]. Otherwise there
    would be no token for its values.

    Args:
      pieces: the WordPieces of each word, ragged int32 [batch, words, pieces].
      values: any number of values for each word, such as its tag; ragged int32 [batch, words].
      vocabulary: the vocabulary, for the ids of the special tokens.
      max_length: the most tokens that a row may have, special tokens included. The rest is cut off.

    Returns:
      token_ids and segment_ids as `pack` returns them, and each of `values` in the same shape. The value
      of a word is at the word's first piece; there is 0 at all other tokens.
    """
    words = pieces.values
    missing = tf.cast(words.row_lengths() == 0, tf.int64)
    unknown = tf.fill([tf.reduce_sum(missing)], vocabulary.id(UNK))
    words = tf.concat([words, tf.RaggedTensor.from_row_lengths(unknown, missing)], axis=1)
    tokens = pieces.with_values(words).merge_dims(1, 2)
    packed: tuple[tf.RaggedTensor, ...] = pack([tokens], vocabulary, max_length)
    first_pieces = words.row_starts()[:, tf.newaxis]
    shape = tf.shape(words.values, tf.int64)
    for value in values:
        placed = tokens.with_values(tf.scatter_nd(first_pieces, value.values, shape))
        packed = (*packed, pack_values(placed, max_length))
    return packed


def pack_values(values: tf.RaggedTensor, max_length: int) -> tf.RaggedTensor:
    """Packs values of tokens as `pack` packs the ids of one segment.

    Args:
      values: a value for each token, ragged int32 [batch, tokens].
      max_length: the most tokens that a row may have, special tokens included.

    Returns:
      Ragged int32 [batch, tokens], with 0 at the special tokens.
    """
    return _join([values], 0, 0, max_length)[0]


def _join(
    segments: Sequence[tf.RaggedTensor], first: int, end: int, max_length: int
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    room = max_length - 1 - len(segments)
    trimmed = tf_text.RoundRobinTrimmer(room).trim(list(segments))
    return tf_text.combine_segments(trimmed, first, end)
