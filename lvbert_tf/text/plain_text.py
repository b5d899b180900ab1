"""Finds plain text, which the fast tokenizer can take, and tokenizes strings in two ways by a test."""

from collections.abc import Callable

import tensorflow as tf

# tensorflow-text's BERT tokenizer equals the reference, in every mode, on strings of words of at most 50
# of these characters (it gives up at 100 bytes) between these spaces. It differs on control characters,
# on compatibility forms such as ½ (which it decomposes), on letters such as ß (which it folds) and on İ
# (which has three bytes in lower case).
_PLAIN_SPACE = r"[ \t\n\r\x{A0}]"
_PLAIN_CHARACTER = (
    r"[!-~\x{A1}-\x{A7}©«¬®°±¶·»¿À-Þà-įıĴ-ľŁ-ňŊ-ž"  # ASCII and Latin without forms
    r"\x{2010}\x{2012}-\x{2015}\x{2018}-\x{2023}]"  # dashes, quotation marks, bullets
)
_PLAIN_TEXT = f"(?:{_PLAIN_CHARACTER}{{0,50}}{_PLAIN_SPACE})*{_PLAIN_CHARACTER}{{0,50}}"

Tokenize = Callable[[tf.Tensor], tf.RaggedTensor]


def is_plain(strings: tf.Tensor) -> tf.Tensor:
    """Whether the fast tokenizer equals the reference on a string; string [batch] to bool [batch]."""
    return tf.strings.regex_full_match(strings, _PLAIN_TEXT)


def is_ascii(strings: tf.Tensor) -> tf.Tensor:
    """Whether all characters of each valid string are ASCII; string [batch] to bool [batch]."""
    return tf.strings.length(strings) == tf.strings.length(strings, unit="UTF8_CHAR")


def route(
    strings: tf.Tensor, chosen: tf.Tensor, tokenize: Tokenize, tokenize_others: Tokenize
) -> tf.RaggedTensor:
    """Tokenizes the chosen strings in one way and the other strings in another way.

    Args:
      strings: string [batch].
      chosen: which strings are chosen, bool [batch].
      tokenize: tokenizes the chosen strings; from string [n] to ragged [n, tokens, ...].
      tokenize_others: tokenizes the other strings, in the same form.

    Returns:
      Ragged [batch, tokens, ...], in the order of `strings`.
    """
    tokens = tokenize(tf.boolean_mask(strings, chosen))
    other_tokens = tokenize_others(tf.boolean_mask(strings, ~chosen))
    count = tf.cast(chosen, tf.int64)
    rows = tf.where(chosen, tf.cumsum(count) - 1, tf.reduce_sum(count) + tf.cumsum(1 - count) - 1)
    return tf.gather(tf.concat([tokens, other_tokens], axis=0), rows)
