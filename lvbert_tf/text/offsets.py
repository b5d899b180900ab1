"""Offsets: where tokens start and end in their strings, counted in bytes or in characters.

Inside the tokenizer a token with its offsets is a row (id, start, end) of one tensor, so that the code
that moves ids moves the offsets with them. Such tensors are called stacked.
"""

import tensorflow as tf

from lvbert_tf.text.words import Alignment


def stack(ids: tf.RaggedTensor, starts: tf.RaggedTensor, ends: tf.RaggedTensor) -> tf.RaggedTensor:
    """Stacks three ragged tensors [batch, tokens] to an int32 [batch, tokens, 3]."""
    columns = [tf.cast(part.values, tf.int32) for part in (ids, starts, ends)]
    return ids.with_values(tf.stack(columns, axis=1))


def unstack(tokens: tf.RaggedTensor | tf.Tensor) -> tuple[tf.RaggedTensor | tf.Tensor, ...]:
    """Divides stacked tokens [..., tokens, 3] into ids, starts and ends, each [..., tokens]."""
    if not isinstance(tokens, tf.RaggedTensor):
        return tuple(tf.unstack(tokens, axis=1))
    columns = tf.unstack(tokens.flat_values, axis=1)
    return tuple(tokens.with_flat_values(column) for column in columns)


def shift(tokens: tf.RaggedTensor, distances: tf.Tensor) -> tf.RaggedTensor:
    """Adds distances, int32 [batch], to the starts and ends of stacked tokens [batch, tokens, 3]."""
    distances = tf.gather(distances, tokens.value_rowids())
    return tokens.with_values(tokens.values + distances[:, tf.newaxis] * [0, 1, 1])


def part_starts(parts: tf.RaggedTensor, separator: int = 1) -> tf.Tensor:
    """The offsets at which the parts of strings begin in the strings.

    Args:
      parts: the parts of each string, ragged string [batch, parts]. No row is empty.
      separator: the number of bytes between two parts.

    Returns:
      Offsets in bytes, int32 [parts of the batch].
    """
    before = tf.cumsum(tf.strings.length(parts.values) + separator, exclusive=True)
    return before - tf.gather(tf.gather(before, parts.row_starts()), parts.value_rowids())


def look_up(values: tf.RaggedTensor, indices: tf.RaggedTensor) -> tf.RaggedTensor:
    """`values[i, indices[i, j]]` at [i, j]; both are ragged, with as many rows."""
    rows = tf.gather(values.row_starts(), indices.value_rowids())
    return indices.with_values(
        tf.gather(values.values, rows + tf.cast(indices.values, values.row_splits.dtype))
    )


def to_original(
    whole: tf.Tensor, alignment: Alignment, starts: tf.RaggedTensor, ends: tf.RaggedTensor
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Converts offsets of WordPieces in their words to offsets in the strings that were split.

    Args:
      whole: bool [words], whether the only piece of a word stands for the whole word, whatever its
        offsets. This is so for words that were replaced by [UNK] because they are too long.
      alignment: the alignment of the words, see `WordSplitter`.
      starts: the offset of each piece's first byte in its word, ragged [words, pieces].
      ends: the offset after each piece's last byte in its word, ragged [words, pieces].

    Returns:
      (starts, ends) in bytes, ragged int64 [words, pieces]. They are offsets of whole characters.
    """
    rows = starts.value_rowids()
    word_splits = tf.gather(alignment.byte_splits, alignment.word_splits)
    word_starts = tf.gather(word_splits, rows)
    piece_ends = tf.where(
        tf.gather(whole, rows),
        tf.gather(word_splits, rows + 1),
        word_starts + tf.cast(ends.values, tf.int64),
    )
    first = tf.searchsorted(alignment.byte_splits, word_starts + tf.cast(starts.values, tf.int64))
    last = tf.searchsorted(alignment.byte_splits, piece_ends) - 1
    return (
        starts.with_values(tf.gather(alignment.starts, first)),
        ends.with_values(tf.gather(alignment.ends, last)),
    )


def character_offsets(
    strings: tf.Tensor, byte_offsets: tf.RaggedTensor | tf.Tensor
) -> tf.RaggedTensor | tf.Tensor:
    """Converts offsets in bytes to offsets in characters, as Python's `str` counts them.

    Args:
      strings: UTF-8 strings [batch], or one string. Invalid bytes are no characters, as in
        `string.decode("utf-8", "ignore")`.
      byte_offsets: ragged integers [batch, n], each from 0 to the length of the string; for one
        string, [n].

    Returns:
      int32 of the shape of `byte_offsets`: the number of characters that begin before each offset.
    """
    strings = tf.convert_to_tensor(strings, tf.string)
    if strings.shape.rank == 0:
        byte_offsets = tf.convert_to_tensor(byte_offsets)[tf.newaxis]
        byte_offsets = tf.RaggedTensor.from_tensor(byte_offsets)
        return character_offsets(strings[tf.newaxis], byte_offsets).values
    _, begins = tf.strings.unicode_decode_with_offsets(strings, "UTF-8", "ignore")
    # All strings as one string, in which the offsets of the characters ascend.
    lengths = tf.cast(tf.strings.length(strings), tf.int64)
    string_starts = tf.cumsum(lengths, exclusive=True)
    characters = begins.values + tf.gather(string_starts, begins.value_rowids())
    rows = byte_offsets.value_rowids()
    offsets = tf.cast(byte_offsets.values, tf.int64) + tf.gather(string_starts, rows)
    before = tf.searchsorted(characters, offsets, out_type=tf.int64)
    before -= tf.gather(begins.row_starts(), rows)
    return byte_offsets.with_values(tf.cast(before, tf.int32))
