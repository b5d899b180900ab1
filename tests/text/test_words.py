import functools
import random
import unicodedata

import pytest
import tensorflow as tf

from lvbert_tf.text.words import WordSplitter

splitter = functools.cache(WordSplitter)


def split(texts, lowercase=True, strip_accents=True):
    rows = splitter(lowercase, strip_accents)(tf.constant(texts, tf.string)).to_list()
    return [[word.decode() for word in row] for row in rows]


def nfd(text):
    return unicodedata.normalize("NFD", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", "hello , world !"),
        ("a\tb\nc\rd\u00a0e\u2003f\u3000g\u2028h", "a b c d e f g h"),
        ("so\u00adft ze\u200bro\ufeff \x00nu\x7fll re\ufffdplaced", "soft zero null replaced"),
        ("a\x0bb\x0cc\x1cd\x85e", "abcde"),
        ("\ue000private\U0010ffff un\u0378assigned", "private unassigned"),
        ("Café naïve Ångström", "cafe naive angstrom"),
        ("ﬁne ½ Ⅳ ² Straße", "ﬁne ½ ⅳ ² straße"),
        ("ＡＢＣ，", "ａｂｃ ，"),
        ("I\u0307 İ", "i i"),
        ("中文abc\u8c48\u30a2", "中 文 abc 豈 ア"),
        ("한국", nfd("한국")),
        ("$5.00+a^b`c|d~e", "$ 5 . 00 + a ^ b ` c | d ~ e"),
        ("¿Qué? «x» £5 a·b …", "¿ que ? « x » £5 a · b …"),
        # Canonical decompositions: the Greek question mark is a semicolon, ≠ an equals sign.
        ("a\u037eb x≠y", "a ; b x = y"),
        ("😀😀 e\u0301\u0327", "😀😀 e"),
        ("", ""),
        (" \u200b ", ""),
    ],
)
def test_uncased(text, expected):
    assert split([text]) == [expected.split(" ") if expected else []]


def test_cased_text_keeps_everything_but_invalid_characters():
    text = "Café İ\u00ad e\u0301 ΟΔΟΣ,한"
    assert split([text], False, False) == [["Café", "İ", "e\u0301", "ΟΔΟΣ", ",", "한"]]


def test_lower_case_with_accents():
    text = "CAFÉ İ E\u0301 ΟΔΟΣ,한"
    assert split([text], True, False) == [["café", "i\u0307", "e\u0301", "οδος", ",", "한"]]


def test_strings_stay_apart():
    assert split(["ab", "", "cd e", "\u200b", "f"]) == [["ab"], [], ["cd", "e"], [], ["f"]]
    assert split([]) == []
    # A sigma at the end of one string does not see the next.
    assert split(["ΑΣ", "ΑΣ"]) == [["ας"], ["ας"]]


def test_a_word_of_more_than_200_characters_is_unknown():
    texts = ["é" * 200, "é" * 201, "𝄞" * 200, "a" * 150 + "." + "b" * 150, "x" * 201 + " y"]
    assert split(texts) == [
        ["e" * 200],
        ["[UNK]"],
        ["𝄞" * 200],
        ["a" * 150, ".", "b" * 150],
        ["[UNK]", "y"],
    ]


def test_capital_sigma_is_lowered_as_python_lowers_it():
    rng = random.Random(0)
    # Letters, a modifier letter, what is looked past (' . · accents, soft hyphen) and what is not.
    alphabet = ["Σ", "Σ", "Σ", "a", "Ω", "ʰ", "'", ".", "·", ",", "-", "\u0301", "1", " ", "\u00ad"]
    texts = ["".join(rng.choices(alphabet, k=rng.randint(1, 9))) for _ in range(3000)]
    got = ["".join(words) for words in split(texts, True, False)]
    # The reference removes soft hyphens before it lower-cases. Splitting only adds spaces.
    expected = [text.replace("\u00ad", "").lower().replace(" ", "") for text in texts]
    assert got == expected
    assert any("ς" in text for text in expected)


@pytest.mark.parametrize(
    "content",
    [
        b"a\xffb",
        b"a\xc3 b",
        b"a\xe2\x82",
        b"a\xe2\x82b",
        b"\xed\xa0\x80x",
        b"\xc0\x80x",
        b"\xf4\x90\x80\x80x",
        b"\xf0\x9f\x98 \xf0\x9f\x98\x80",
        b"\x80\xbf",
    ],
)
def test_invalid_utf8_is_dropped_as_python_drops_it(content):
    assert split([content]) == split([content.decode("utf-8", "ignore")])
