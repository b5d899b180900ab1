"""Where tokens stand in their strings, counted in bytes and in characters.

Inside the tokenizer a token with its place is a row (id, start, end) of one tensor, so that it goes
wherever an id alone would go.
"""

import tensorflow as tf

from lvbert_tf.text.words import Sources


def pack(ids: tf.RaggedTensor, starts: tf.RaggedTensor, ends: tf.RaggedTensor) -> tf.RaggedTensor:
    """Joins three ragged tensors [batch, tokens] to an int32 [batch, tokens, 3]."""
    columns = [tf.cast(part.values, tf.int32) for part in (ids, starts, ends)]
    return ids.with_values(tf.stack(columns, axis=1))


def unpack(tokens: tf.RaggedTensor | tf.Tensor) -> tuple[tf.RaggedTensor | tf.Tensor, ...]:
    """Divides [..., tokens, 3] into three tensors [..., tokens]."""
    if not isinstance(tokens, tf.RaggedTensor):
        return tuple(tf.unstack(tokens, axis=1))
    columns = tf.unstack(tokens.flat_values, axis=1)
    return tuple(tokens.with_flat_values(column) for column in columns)


def shift(tokens: tf.RaggedTensor, distances: tf.Tensor) -> tf.RaggedTensor:
    """Adds an int32 [batch] to the starts and ends of packed tokens [batch, tokens, 3]."""
    distances = tf.gather(distances, tokens.value_rowids())
    return tokens.with_values(tokens.values + distances[:, tf.newaxis] * [0, 1, 1])


def part_starts(parts: tf.RaggedTensor, separator: int = 1) -> tf.Tensor:
    """Where each part of strings begins that were split.

    Args:
      parts: ragged string [batch, parts], no row empty.
      separator: how many bytes stood between them.

    Returns:
      int32 [parts of the batch], in bytes.
    """
    before = tf.cumsum(tf.strings.length(parts.values) + separator, exclusive=True)
    return before - tf.gather(tf.gather(before, parts.row_starts()), parts.value_rowids())


def look_up(sources: tf.RaggedTensor, places: tf.RaggedTensor) -> tf.RaggedTensor:
    """Replaces each place by what its row of `sources` has there; ragged [batch, tokens]."""
    rows = tf.gather(sources.row_starts(), places.value_rowids())
    return places.with_values(
        tf.gather(sources.values, rows + tf.cast(places.values, sources.row_splits.dtype))
    )


def align_to_sources(
    whole: tf.Tensor, sources: Sources, starts: tf.RaggedTensor, ends: tf.RaggedTensor
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """From places of WordPieces in their words to places in the strings that were split.

    Args:
      whole: bool [words], whether the pieces of a word end where it does: one that is [UNK] for its
        length has been replaced, and its end is not that of the word.
      sources: of the words, see `WordSplitter`.
      starts: ragged [words, pieces], in bytes.
      ends: the same.

    Returns:
      (starts, ends), ragged int64 [words, pieces], in bytes: those of whole characters.
    """
    rows = starts.value_rowids()
    word_splits = tf.gather(sources.byte_splits, sources.word_splits)
    word_starts = tf.gather(word_splits, rows)
    piece_ends = tf.where(
        tf.gather(whole, rows),
        tf.gather(word_splits, rows + 1),
        word_starts + tf.cast(ends.values, tf.int64),
    )
    first = tf.searchsorted(sources.byte_splits, word_starts + tf.cast(starts.values, tf.int64))
    last = tf.searchsorted(sources.byte_splits, piece_ends) - 1
    return (
        starts.with_values(tf.gather(sources.starts, first)),
        ends.with_values(tf.gather(sources.ends, last)),
    )


def character_offsets(
    strings: tf.Tensor, byte_offsets: tf.RaggedTensor | tf.Tensor
) -> tf.RaggedTensor | tf.Tensor:
    """Converts offsets in bytes to offsets in characters, as Python's `str` counts them.

    Args:
      strings: UTF-8 strings [batch], or one. Invalid bytes count as no character, as in
        `string.decode("utf-8", "ignore")`.
      byte_offsets: ragged integers [batch, n], each from 0 to the length of the string; for one
        string, [n].

    Returns:
      int32 of the shape of `byte_offsets`: how many characters begin before each one.
    """
    strings = tf.convert_to_tensor(strings, tf.string)
    if strings.shape.rank == 0:
        byte_offsets = tf.convert_to_tensor(byte_offsets)[tf.newaxis]
        byte_offsets = tf.RaggedTensor.from_tensor(byte_offsets)
        return character_offsets(strings[tf.newaxis], byte_offsets).values
    _, places = tf.strings.unicode_decode_with_offsets(strings, "UTF-8", "ignore")
    # All strings as one, in which the characters' places ascend.
    lengths = tf.cast(tf.strings.length(strings), tf.int64)
    string_starts = tf.cumsum(lengths, exclusive=True)
    characters = places.values + tf.gather(string_starts, places.value_rowids())
    rows = byte_offsets.value_rowids()
    offsets = tf.cast(byte_offsets.values, tf.int64) + tf.gather(string_starts, rows)
    before = tf.searchsorted(characters, offsets, out_type=tf.int64)
    before -= tf.gather(places.row_starts(), rows)
    return byte_offsets.with_values(tf.cast(before, tf.int32))
