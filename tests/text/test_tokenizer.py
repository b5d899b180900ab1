import functools
import json
import random
import unicodedata
from pathlib import Path

import pytest
import tensorflow as tf
from bert_peer import bert_tokenizer

from lvbert_tf.errors import InputError
from lvbert_tf.text import Tokenizer, Vocabulary
from lvbert_tf.text.plain_text import is_plain

FIXTURES = Path(__file__).parents[1] / "fixtures" / "tokenizer"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MODES = [(True, True), (True, False), (False, False)]


@functools.cache
def fixture_tokenizer():
    return Tokenizer(FIXTURES / "vocab.txt")


def tokens(tokenizer, text):
    return [tokenizer.vocabulary.tokens[i] for i in tokenizer(text).numpy()]


def spelling_vocabulary(texts):
    """A vocabulary of every character, so that tokens show what became of each one."""
    chars = set()
    for text in texts:
        for form in (text, text.lower(), text.upper()):
            chars.update(form, unicodedata.normalize("NFD", form))
    chars = sorted(char for char in chars if not char.isspace() and char != "\0")
    return Vocabulary((*SPECIAL, *chars, *("##" + char for char in chars)))


def test_reference_ids():
    cases = json.loads((FIXTURES / "official_tokens.json").read_text())
    ids = fixture_tokenizer()([case["text"] for case in cases]).to_list()
    for case, got in zip(cases, ids, strict=True):
        assert got == case["ids"], case["text"]
    assert len(cases) == 61


def test_reference_ids_do_not_depend_on_the_batch():
    cases = json.loads((FIXTURES / "official_tokens.json").read_text())
    for case in cases:
        assert fixture_tokenizer()(case["text"]).numpy().tolist() == case["ids"], case["text"]
    joined = " ".join(case["text"] for case in cases)
    expected = [i for case in cases for i in case["ids"]]
    assert fixture_tokenizer()(joined).numpy().tolist() == expected


@pytest.mark.parametrize("mode", MODES)
def test_plain_characters_need_no_exact_path(mode):
    """Guards the choice of plain characters: both ways agree on every one of them."""
    chars = [chr(c) for c in range(0x3000)]
    plain = is_plain(chars).numpy()
    chars = [char for char, keep in zip(chars, plain, strict=True) if keep]
    assert len(chars) > 300
    texts = [
        before + char + after for char in chars for before in ("a", " ") for after in ("B", "")
    ]
    texts += [char * 50 + " " + char * 50 for char in chars]
    tokenizer = Tokenizer(spelling_vocabulary([*chars, "aB"]), *mode)
    batch = tf.constant(texts)
    plain = tokenizer._tokenize_plain(batch).to_list()
    exact = tokenizer._tokenize_exactly(batch).to_list()
    assert [t for t, a, b in zip(texts, plain, exact, strict=True) if a != b] == []


@pytest.mark.parametrize("mode", MODES)
def test_agrees_with_hugging_face_on_mixed_scripts(mode):
    lowercase, strip_accents = mode
    rng = random.Random(1)
    # Scripts, signs, spaces and controls. No capital sigma: Hugging Face never makes it final.
    blocks = [
        (0x20, 0x7F), (0xA0, 0x180), (0x3B1, 0x3CA), (0x400, 0x460), (0x5D0, 0x5EB),
        (0x621, 0x64B), (0x905, 0x93A), (0xE01, 0xE2F), (0x1E00, 0x1E96), (0x2010, 0x2028),
        (0x2030, 0x205F), (0x2150, 0x2189), (0x2190, 0x2200), (0x3041, 0x3097), (0x4E00, 0x4E80),
        (0xAC00, 0xAC80), (0xF900, 0xF980), (0xFB00, 0xFB07), (0xFF01, 0xFF5F), (0x1F600, 0x1F640),
        (0x300, 0x345), (0x0, 0x20),
    ]  # fmt: skip
    texts = []
    for _ in range(1500):
        chars = []
        for low, high in rng.choices(blocks, k=rng.randint(1, 5)):
            chars += [chr(rng.randrange(low, high)) for _ in range(rng.randint(1, 6))]
            chars += rng.choice(["", " "])
        texts.append("".join(chars))
    vocabulary = spelling_vocabulary(texts)
    ids = {token: line for line, token in enumerate(vocabulary.tokens)}
    peer = bert_tokenizer(ids, lowercase, strip_accents)
    expected = [encoding.ids for encoding in peer.encode_batch(texts)]
    got = Tokenizer(vocabulary, lowercase, strip_accents)(texts).to_list()
    assert [(t, a, b) for t, a, b in zip(texts, got, expected, strict=True) if a != b] == []


def test_modes():
    vocabulary = Vocabulary((*SPECIAL, "cafe", "café", "Café", ",", "##s"))
    assert tokens(Tokenizer(vocabulary), "Cafés, café") == ["cafe", "##s", ",", "cafe"]
    assert tokens(Tokenizer(vocabulary, strip_accents=False), "Cafés") == ["café", "##s"]
    assert tokens(Tokenizer(vocabulary, lowercase=False), "Café café cafe CAFE") == [
        "Café",
        "café",
        "cafe",
        "[UNK]",
    ]
    with pytest.raises(InputError, match="needs lowercase"):
        Tokenizer(vocabulary, lowercase=False, strip_accents=True)


@pytest.mark.parametrize("char", ["a", "é", "字", "я"])
def test_long_words(char):
    # 100 bytes is tensorflow-text's own limit.
    vocabulary = Vocabulary((*SPECIAL, "a", "##a", "e", "##e", "字", "я", "##я", "."))
    tokenizer = Tokenizer(vocabulary)
    for length in (50, 51, 100, 101, 200, 201):
        word = char * length
        got = tokens(tokenizer, f"{word}. {word}\n.")
        if char == "字":
            expected = ["字"] * length
        elif length > 200:
            expected = ["[UNK]"]
        else:
            expected = [{"é": "e"}.get(char, char)]
            expected += ["##" + expected[0]] * (length - 1)
        assert got == [*expected, ".", *expected, "."]


def test_duplicates_and_tokens_that_no_word_can_be():
    # The last line of a duplicate counts. Whitespace and controls in a token must not disturb others.
    vocabulary = Vocabulary(
        (*SPECIAL, "a", "b", "##b", "a", "", "a b ", "b  c", "[UNK]", "a b", "\x11")
    )
    tokenizer = Tokenizer(vocabulary)
    assert tokenizer(["a b", "ab a", "q", "b  c"]).to_list() == [[8, 6], [8, 7, 8], [12], [6, 12]]


def test_special_tokens_in_text_are_words():
    vocabulary = Vocabulary((*SPECIAL, "[", "]", "mask"))
    assert tokens(Tokenizer(vocabulary), "[MASK]") == ["[", "mask", "]"]


def test_shapes():
    tokenizer = fixture_tokenizer()
    flat = tokenizer(["the world", "", "the"])
    assert isinstance(flat, tf.RaggedTensor)
    assert flat.dtype == tf.int32
    the, world = flat.to_list()[0]
    assert flat.to_list() == [[the, world], [], [the]]

    assert tokenizer([]).to_list() == []
    single = tokenizer("the world")
    assert isinstance(single, tf.Tensor)
    assert single.numpy().tolist() == [the, world]
    ragged = tf.ragged.constant([["the", "world"], [], ["the the"]])
    assert tokenizer(ragged).to_list() == [[[the], [world]], [], [[the, the]]]
    dense = tf.constant([["the", ""], ["world", "the"]])
    assert tokenizer(dense).to_list() == [[[the], []], [[world], [the]]]


@pytest.mark.parametrize("batch_size", [None, 2])
def test_in_a_dataset(batch_size):
    texts = ["The world, ﬁne.", "x" * 150, "", "A café\u200b…"]
    expected = fixture_tokenizer()(texts).to_list()
    dataset = tf.data.Dataset.from_tensor_slices(texts)
    if batch_size is None:
        got = [ids.numpy().tolist() for ids in dataset.map(fixture_tokenizer())]
    else:
        dataset = dataset.batch(batch_size).map(fixture_tokenizer())
        got = [row for batch in dataset for row in batch.to_list()]
    assert got == expected


def test_in_a_saved_model(tmp_path):
    class Service(tf.Module):
        def __init__(self, vocabulary_file):
            super().__init__()
            self.tokenizer = Tokenizer(vocabulary_file)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, strings):
            return self.tokenizer(strings).to_tensor()

    vocabulary_file = tmp_path / "vocab.txt"
    vocabulary_file.write_bytes((FIXTURES / "vocab.txt").read_bytes())
    texts = ["The world, ﬁne.", "x" * 150, "", "ΟΔΟΣ café…"]
    expected = fixture_tokenizer()(texts).to_tensor().numpy()
    tf.saved_model.save(Service(vocabulary_file), str(tmp_path / "model"))
    vocabulary_file.unlink()
    (tmp_path / "model").rename(tmp_path / "moved")
    restored = tf.saved_model.load(str(tmp_path / "moved"))
    assert (restored(tf.constant(texts)).numpy() == expected).all()
