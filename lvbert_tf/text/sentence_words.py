"""Splits a sentence whose words are to be tagged at ASCII whitespace.

`--predict`, the KerasHub tagger and exported models use this rule. Space, tab, line feed, vertical tab,
form feed and carriage return separate words. Every other blank is a part of a word: the no-break space,
the ideographic space, Unicode's line separators, control characters and characters without width. In
training the words are given by the files.

TensorFlow is imported where it is used: who only splits a string need not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

# Not a tensor: a tensor made on import would start TensorFlow before its devices are chosen.
_WHITESPACE = (" ", "\t", "\n", "\v", "\f", "\r")


def words_of(sentence: str) -> tuple[str, ...]:
    """Splits one sentence without TensorFlow. The sentence must be valid UTF-8."""
    return tuple(word.decode() for word in sentence.encode().split())


def split_words(sentences: tf.Tensor) -> tf.RaggedTensor:
    """Splits sentences, also in a graph; string [batch] to ragged string [batch, words]."""
    import tensorflow as tf

    return tf.strings.split(sentences)


def word_offsets(sentences: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """The offsets of the words that `split_words` finds.

    Args:
      sentences: string [batch].

    Returns:
      (starts, ends) in bytes, ragged int64 [batch, words].
    """
    import tensorflow as tf

    characters = tf.strings.bytes_split(sentences)
    is_space = tf.reduce_any(characters.values[:, tf.newaxis] == tf.constant(_WHITESPACE), axis=-1)
    is_word = characters.with_values(~is_space)
    outside = tf.fill([characters.nrows(), 1], False)
    before = tf.concat([outside, is_word], axis=1)
    after = tf.concat([is_word, outside], axis=1)
    offsets = tf.ragged.range(before.row_lengths())
    return (
        tf.ragged.boolean_mask(offsets, after & ~before),
        tf.ragged.boolean_mask(offsets, before & ~after),
    )
