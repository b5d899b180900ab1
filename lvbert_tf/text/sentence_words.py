"""The words of a sentence whose words are tagged: what stands between ASCII whitespace.

One rule for `--predict`, the KerasHub tagger and exported models. Space, tab, line feed, vertical tab,
form feed and carriage return divide words. Every other blank is a part of its word: the no-break and
the ideographic space, Unicode's line separators, control characters, and what has no width. Training
divides no words: its files say where each one ends.
"""

import tensorflow as tf

# No tensor: one that is made on import starts TensorFlow before its devices are chosen.
_WHITESPACE = (" ", "\t", "\n", "\v", "\f", "\r")


def words_of(sentence: str) -> tuple[str, ...]:
    """The words of one sentence, which must be valid UTF-8, without TensorFlow."""
    return tuple(word.decode() for word in sentence.encode().split())


def split_words(sentences: tf.Tensor) -> tf.RaggedTensor:
    """The words of sentences, string of shape [batch] to [batch, (words)], also in a graph."""
    return tf.strings.split(sentences)


def word_offsets(sentences: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Where each of the words that `split_words` finds starts and ends.

    Args:
      sentences: strings of shape [batch].

    Returns:
      int64 of shape [batch, (words)], in bytes.
    """
    characters = tf.strings.bytes_split(sentences)
    is_space = tf.reduce_any(characters.values[:, tf.newaxis] == tf.constant(_WHITESPACE), axis=-1)
    is_word = characters.with_values(~is_space)
    outside = tf.fill([characters.nrows(), 1], False)
    before = tf.concat([outside, is_word], axis=1)
    after = tf.concat([is_word, outside], axis=1)
    places = tf.ragged.range(before.row_lengths())
    return (
        tf.ragged.boolean_mask(places, after & ~before),
        tf.ragged.boolean_mask(places, before & ~after),
    )
