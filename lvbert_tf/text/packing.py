"""From the tokens of texts to what a model reads: `[CLS] a [SEP] b [SEP]`."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_text as tf_text

from lvbert_tf.text.vocabulary import CLS, SEP, UNK, Vocabulary


def pack(
    segments: Sequence[tf.RaggedTensor], vocabulary: Vocabulary, max_length: int
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Joins one or two segments of each row, and cuts the longer one where they are too long.

    Args:
      segments: one or two of int32 token ids, shape [batch, (tokens)].
      vocabulary: knows the ids of [CLS] and [SEP].
      max_length: tokens of a row at most, with the special ones.

    Returns:
      token_ids and segment_ids, int32 of shape [batch, (tokens)], not padded.
    """
    return _join(segments, vocabulary.id(CLS), vocabulary.id(SEP), max_length)


def pack_words(
    pieces: tf.RaggedTensor,
    values: Sequence[tf.RaggedTensor],
    vocabulary: Vocabulary,
    max_length: int,
) -> tuple[tf.RaggedTensor, ...]:
    """Joins the words of each row to one segment, and puts what is known of a word where it begins.

    A word without any piece, which is nothing but characters that are removed, is [UNK]: it would
    have no place of its own otherwise.

    Args:
      pieces: int32 token ids, shape [batch, (words), (pieces)].
      values: any number of int32 columns of shape [batch, (words)].
      vocabulary: knows the ids of the special tokens.
      max_length: tokens of a row at most, with the special ones; what is beyond is cut.

    Returns:
      token_ids and segment_ids as `pack`, and each of `values` in their shape: at the first piece of
      its word, with 0 everywhere else.
    """
    words = pieces.values
    missing = tf.cast(words.row_lengths() == 0, tf.int64)
    unknown = tf.fill([tf.reduce_sum(missing)], vocabulary.id(UNK))
    words = tf.concat([words, tf.RaggedTensor.from_row_lengths(unknown, missing)], axis=1)
    tokens = pieces.with_values(words).merge_dims(1, 2)
    packed: tuple[tf.RaggedTensor, ...] = pack([tokens], vocabulary, max_length)
    places = words.row_starts()[:, tf.newaxis]
    shape = tf.shape(words.values, tf.int64)
    for value in values:
        placed = tokens.with_values(tf.scatter_nd(places, value.values, shape))
        packed = (*packed, pack_values(placed, max_length))
    return packed


def pack_values(values: tf.RaggedTensor, max_length: int) -> tf.RaggedTensor:
    """What `pack` makes of one segment, for values of its tokens instead of ids.

    Args:
      values: int32 of shape [batch, (tokens)].
      max_length: tokens of a row at most, with the special ones.

    Returns:
      int32 of shape [batch, (tokens)]: 0 where a special token stands.
    """
    return _join([values], 0, 0, max_length)[0]


def _join(
    segments: Sequence[tf.RaggedTensor], first: int, end: int, max_length: int
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    room = max_length - 1 - len(segments)
    trimmed = tf_text.RoundRobinTrimmer(room).trim(list(segments))
    return tf_text.combine_segments(trimmed, first, end)
