"""The words of sentences, against those that Python and TensorFlow find."""

import tensorflow as tf

from lvbert_tf.text.sentence_words import split_words, word_offsets, words_of

DIVIDE = " \t\n\v\f\r"
# No-break, ideographic, narrow and typographic spaces; separators; control characters; no width; marks.
BELONG = (
    "\u00a0\u3000\u202f\u2003\u1680\u2028\u2029\u0085\x1c\x1d\x1e\x1f\x00\u200b\u200d\u2060\ufeff"
)
SENTENCES = (
    *(f"a{blank}b" for blank in DIVIDE + BELONG),
    *(f"{blank} a  b{blank}" for blank in DIVIDE + BELONG),
    "a\u00a0b c\u3000d",
    "สวัสดีครับ ผมชอบหนัง",
    "\ufeffthe film",
    " \t ",
    "",
)


def test_ascii_whitespace_alone_divides_words():
    for blank in DIVIDE:
        assert words_of(f"{blank}a{blank} b{blank}") == ("a", "b")
    for blank in BELONG:
        assert words_of(f"a{blank}b c") == (f"a{blank}b", "c")
        assert words_of(f"a {blank} b") == ("a", blank, "b")
    assert words_of("a\u00a0b c\u3000d") == ("a\u00a0b", "c\u3000d")
    assert words_of("สวัสดีครับ ผมชอบหนัง") == ("สวัสดีครับ", "ผมชอบหนัง")
    assert words_of(" \t\r") == words_of("") == ()


def test_words_and_their_places_are_the_same_in_a_graph():
    found = tf.function(split_words)(tf.constant(SENTENCES)).to_list()
    starts, ends = (part.to_list() for part in tf.function(word_offsets)(tf.constant(SENTENCES)))
    for sentence, words, first, last in zip(SENTENCES, found, starts, ends, strict=True):
        encoded = sentence.encode()
        assert words == encoded.split() == [word.encode() for word in words_of(sentence)]
        assert words == [encoded[start:end] for start, end in zip(first, last, strict=True)]
