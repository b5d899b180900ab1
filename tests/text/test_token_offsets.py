import functools
import json
import random
import unicodedata
from pathlib import Path

import pytest
import tensorflow as tf
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lvbert_tf.text import Tokenizer, Vocabulary, character_offsets
from lvbert_tf.text.plain_text import is_plain

FIXTURES = Path(__file__).parents[1] / "fixtures" / "tokenizer"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MODES = [(True, True), (True, False), (False, False)]
# Letters of one to four bytes: plain ones, and all kinds that are not.
LETTERS = "abeéEÉßﬁİıσςΣяЯ中豈한ᄒ½ö😀אُ.,!…\u0301\u0327\ufe0f"


@functools.cache
def fixture_tokenizer(lowercase=True, strip_accents=True):
    return Tokenizer(FIXTURES / "vocab.txt", lowercase, strip_accents)


@functools.cache
def spelling_tokenizer(lowercase=True, strip_accents=True):
    """A tokenizer that knows most letters of the tests, and some pairs of them."""
    chars = set()
    for char in LETTERS:
        for form in (char, char.lower(), char.upper()):
            chars.update(form, unicodedata.normalize("NFD", form))
    chars -= set("!ß½")
    pieces = [*sorted(chars), "ab", "be", "ea", "e\u0301", "яς"]
    vocabulary = Vocabulary((*SPECIAL, *pieces, *("##" + piece for piece in pieces)))
    return Tokenizer(vocabulary, lowercase, strip_accents)


def covered(tokenizer, texts):
    """Yields for each text its tokens, each with the text that it stands for."""
    ids, starts, ends = tokenizer.tokenize_with_offsets(tf.constant(texts, tf.string))
    rows = zip(texts, ids.to_list(), starts.to_list(), ends.to_list(), strict=True)
    for text, *row in rows:
        yield [
            (tokenizer.vocabulary.tokens[token], text.encode()[start:end].decode())
            for token, start, end in zip(*row, strict=True)
        ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\u200b ", []),
        ("ab, be", [("ab", "ab"), (",", ","), ("be", "be")]),
        ("  ABea\n", [("ab", "AB"), ("##ea", "ea")]),
        ("éÉb", [("e", "é"), ("##e", "É"), ("##b", "b")]),
        ("a…é", [("a", "a"), ("…", "…"), ("e", "é")]),
        # The combining mark belongs to the letter before it, also behind a removed character.
        ("e\u0301b e\u00ad\u0327", [("e", "e\u0301"), ("##b", "b"), ("e", "e\u00ad\u0327")]),
        ("\u0301be\u0301", [("be", "be\u0301")]),
        (".\u0301", [(".", ".\u0301")]),
        # Removed characters are covered inside a token only.
        ("\u200ba\u00adb\u200b.", [("ab", "a\u00adb"), (".", ".")]),
        ("a中b", [("a", "a"), ("中", "中"), ("b", "b")]),
        # A syllable of three letters, each of them a piece.
        ("b한a", [("b", "b"), ("##ᄒ", "한"), ("##ᅡ", "한"), ("##ᆫ", "한"), ("##a", "a")]),
        ("İİa", [("i", "İ"), ("##i", "İ"), ("##a", "a")]),
        ("ЯΣ яΣa.", [("яς", "ЯΣ"), ("я", "я"), ("##σ", "Σ"), ("##a", "a"), (".", ".")]),
        ("a½b ab", [("[UNK]", "a½b"), ("ab", "ab")]),
        ("zzz be !", [("[UNK]", "zzz"), ("be", "be"), ("[UNK]", "!")]),
        ("😀\ufe0fa", [("😀", "😀\ufe0f"), ("##a", "a")]),
    ],
)
def test_text_of_each_token(text, expected):
    tokenizer = spelling_tokenizer()
    assert list(covered(tokenizer, [text])) == [expected]
    # In a batch, after a space and before others.
    assert list(covered(tokenizer, ["я", f"中 {text} b", ""]))[1:] == [
        [("中", "中"), *expected, ("b", "b")],
        [],
    ]


def test_modes():
    text = "ЯΣe\u0301 Éa"
    assert list(covered(spelling_tokenizer(True, False), [text])) == [
        [("я", "Я"), ("##σ", "Σ"), ("##e\u0301", "e\u0301"), ("é", "É"), ("##a", "a")]
    ]
    assert list(covered(spelling_tokenizer(False, False), [text])) == [
        [("Я", "Я"), ("##Σ", "Σ"), ("##e\u0301", "e\u0301"), ("É", "É"), ("##a", "a")]
    ]


@pytest.mark.parametrize("char", ["a", "é", "я", "😀"])
def test_long_words(char):
    # 100 bytes is tensorflow-text's own limit, 200 characters the reference's.
    for length in (50, 51, 101, 200, 201):
        word = char * length
        (got,) = covered(spelling_tokenizer(), [f"{word}. {word}\u0301\nab"])
        texts = [text for _, text in got]
        if length > 200:
            assert texts == [word, ".", word + "\u0301", "ab"]
        else:
            assert texts == [*word, ".", *word[:-1], char + "\u0301", "ab"]
        assert (got[0][0] == "[UNK]") == (length > 200)


@pytest.mark.parametrize("mode", MODES)
def test_fixture_strings(mode):
    cases = json.loads((FIXTURES / "official_tokens.json").read_text())
    texts = [case["text"] for case in cases]
    tokenizer = fixture_tokenizer(*mode)
    ids, starts, ends = tokenizer.tokenize_with_offsets(texts)
    assert ids.to_list() == tokenizer(texts).to_list()
    if mode == (True, True):
        assert ids.to_list() == [case["ids"] for case in cases]
    for text, *spans in zip(texts, starts.to_list(), ends.to_list(), strict=True):
        check_spans(text.encode(), *spans, strip_accents=mode[1])


def check_spans(content, starts, ends, strip_accents):
    """Checks what holds for every text: order, whole characters, nothing left out."""
    assert starts == sorted(starts)
    assert ends == sorted(ends)
    left_out = bytearray(content)
    for start, end in zip(starts, ends, strict=True):
        assert 0 <= start < end <= len(content)
        assert is_boundary(content, start)
        assert is_boundary(content, end)
        left_out[start:end] = b" " * (end - start)
    for char in left_out.decode("utf-8", "ignore"):
        category = unicodedata.category(char)
        removed = category[0] == "C" or char == "\ufffd" or (strip_accents and category == "Mn")
        assert char.isspace() or removed


def is_boundary(content, place):
    """Whether no character is divided there."""
    halves = content[:place], content[place:]
    count = sum(len(half.decode("utf-8", "ignore")) for half in halves)
    return count == len(content.decode("utf-8", "ignore"))


PIECES = [*LETTERS, " ", "  ", "\n", "\0", "\u00ad", "\u200b", "\u2028", "\u3000", "ab", "x" * 120]
BYTES = [b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\x80", b"\x80"]


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=60)
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"])).map(str.encode)
        | st.lists(st.sampled_from([*map(str.encode, PIECES), *BYTES])).map(b"".join)
        | st.binary()
    )
)
@example(texts=[b"a\xc3 \xccb\xcc\x81", "\u0301a".encode(), b"", b"\xff"])
def test_any_bytes(mode, texts):
    tokenizer = spelling_tokenizer(*mode)
    batch = tf.constant(texts, tf.string)
    ids, starts, ends = tokenizer.tokenize_with_offsets(batch)
    assert ids.to_list() == tokenizer(batch).to_list()
    assert ids.dtype == starts.dtype == ends.dtype == tf.int32
    for content, *spans in zip(texts, starts.to_list(), ends.to_list(), strict=True):
        check_spans(content, *spans, strip_accents=mode[1])


@pytest.mark.parametrize("mode", MODES)
def test_agrees_with_hugging_face(mode):
    lowercase, strip_accents = mode
    tokenizer = spelling_tokenizer(*mode)
    ids = {token: line for line, token in enumerate(tokenizer.vocabulary.tokens)}
    peer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=200)
    )
    peer.normalizer = tokenizers.normalizers.BertNormalizer(
        lowercase=lowercase, strip_accents=strip_accents
    )
    peer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    rng = random.Random(0)
    # No capital sigma: Hugging Face never makes it final.
    alphabet = [*LETTERS.replace("Σ", ""), *"abeab     \n\u00ad\u200b\u3000"]
    texts = ["".join(rng.choices(alphabet, k=rng.randint(1, 25))) for _ in range(1000)]
    encodings = peer.encode_batch(texts)
    got_ids, starts, ends = tokenizer.tokenize_with_offsets(texts)
    starts, ends = character_offsets(texts, starts), character_offsets(texts, ends)
    rows = zip(texts, encodings, got_ids.to_list(), starts.to_list(), ends.to_list(), strict=True)
    for text, encoding, *row in rows:
        spans = encoding.offsets
        if strip_accents:
            # It leaves out the marks that it removes.
            spans = [(start, end_after_marks(text, end)) for start, end in spans]
        expected = [(i, *span) for i, span in zip(encoding.ids, spans, strict=True)]
        assert list(zip(*row, strict=True)) == expected, ascii(text)


def end_after_marks(text, end):
    for place in range(end, len(text)):
        category = unicodedata.category(text[place])
        if category == "Mn":
            end = place + 1
        elif category[0] != "C" or text[place] == "\n":
            break
    return end


@pytest.mark.parametrize("mode", MODES)
def test_plain_text_has_the_offsets_of_the_exact_way(mode):
    chars = [chr(c) for c in range(0x3000)]
    chars = [char for char, keep in zip(chars, is_plain(chars).numpy(), strict=True) if keep]
    rng = random.Random(0)
    texts = ["".join(rng.choices([*chars, *"  ab"], k=30)) for _ in range(300)]
    texts += [f"b{char}a{char} {char}" for char in chars]
    forms = {
        form for char in chars for form in (char, char.lower(), *unicodedata.normalize("NFD", char))
    }
    letters = sorted(char for char in forms if not char.isspace())
    vocabulary = Vocabulary((*SPECIAL, *letters, *("##" + char for char in letters)))
    tokenizer = Tokenizer(vocabulary, *mode)
    batch = tf.constant(texts)
    plain = tokenizer._align_plain(batch).to_list()
    exact = tokenizer._align_exactly(batch).to_list()
    assert [t for t, a, b in zip(texts, plain, exact, strict=True) if a != b] == []


def test_shapes():
    tokenizer = spelling_tokenizer()
    for part in tokenizer.tokenize_with_offsets([]):
        assert isinstance(part, tf.RaggedTensor)
        assert part.to_list() == []
    ids, starts, ends = tokenizer.tokenize_with_offsets("b abe")
    assert isinstance(ids, tf.Tensor)
    assert ids.numpy().tolist() == tokenizer("b abe").numpy().tolist()
    assert (starts.numpy().tolist(), ends.numpy().tolist()) == ([0, 2, 4], [1, 4, 5])
    for strings in (
        tf.ragged.constant([["a b", "b"], [], ["ab ab"]]),
        tf.constant([["a b", ""], ["b", "ab ab"]]),
    ):
        ids, starts, ends = tokenizer.tokenize_with_offsets(strings)
        assert ids.to_list() == tokenizer(strings).to_list()
        assert starts.to_list()[0][0] == [0, 2]
        assert ends.to_list()[-1][-1] == [2, 5]


TEXTS = ["The world, ﬁne.", "x" * 150, "", "A café\u200b…", "ΟΔΟΣ cafe\u0301"]


@pytest.mark.parametrize("batch_size", [None, 2])
def test_in_a_dataset(batch_size):
    tokenizer = fixture_tokenizer()
    expected = [part.to_list() for part in tokenizer.tokenize_with_offsets(TEXTS)]
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
    got = [[], [], []]
    if batch_size is None:
        for parts in dataset.map(tokenizer.tokenize_with_offsets):
            for rows, part in zip(got, parts, strict=True):
                rows.append(part.numpy().tolist())
    else:
        for parts in dataset.batch(batch_size).map(tokenizer.tokenize_with_offsets):
            for rows, part in zip(got, parts, strict=True):
                rows += part.to_list()
    assert got == expected


def test_in_a_saved_model(tmp_path):
    class Service(tf.Module):
        def __init__(self):
            super().__init__()
            self.tokenizer = Tokenizer(FIXTURES / "vocab.txt")

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, strings):
            ids, starts, ends = self.tokenizer.tokenize_with_offsets(strings)
            parts = ids, character_offsets(strings, starts), character_offsets(strings, ends)
            return [part.to_tensor(-1) for part in parts]

    ids, starts, ends = fixture_tokenizer().tokenize_with_offsets(TEXTS)
    expected = ids, character_offsets(TEXTS, starts), character_offsets(TEXTS, ends)
    tf.saved_model.save(Service(), str(tmp_path / "model"))
    restored = tf.saved_model.load(str(tmp_path / "model"))
    for got, part in zip(restored(tf.constant(TEXTS)), expected, strict=True):
        assert got.numpy().tolist() == part.to_tensor(-1).numpy().tolist()


def byte_places(text):
    """Where each character of a text begins, and its end, in bytes."""
    return [len(text[:place].encode()) for place in range(len(text) + 1)]


@settings(max_examples=60)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.text(LETTERS)))
@example(texts=["👨‍👩‍👧 e\u0301ω", "", "\0中a", "a"])
def test_character_offsets_are_those_of_python(texts):
    offsets = tf.ragged.constant([byte_places(text) for text in texts], tf.int32, ragged_rank=1)
    got = character_offsets(tf.constant(texts, tf.string), offsets)
    assert got.dtype == tf.int32
    assert got.to_list() == [list(range(len(text) + 1)) for text in texts]


def test_character_offsets_of_one_string_and_of_none():
    assert character_offsets("é中b", [0, 2, 5, 6]).numpy().tolist() == [0, 1, 2, 3]
    none = character_offsets(tf.constant([], tf.string), tf.RaggedTensor.from_row_lengths([], []))
    assert none.to_list() == []


@pytest.mark.parametrize("content", [b"a\xffb", b"\xe2\x82 \xe4\xb8\xadb\xc3", b"\xed\xa0\x80b"])
def test_character_offsets_pass_over_invalid_bytes(content):
    places = [place for place in range(len(content) + 1) if is_boundary(content, place)]
    expected = [len(content[:place].decode("utf-8", "ignore")) for place in places]
    assert character_offsets(content, places).numpy().tolist() == expected
