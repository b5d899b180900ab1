"""Added tokens are found where the tokenizers of Hugging Face find them."""

import json
import random

import hypothesis
import hypothesis.strategies as st
import pytest
import tensorflow as tf
import tokenizers
from bert_peer import bert_tokenizer

from lvbert_tf.errors import InputError
from lvbert_tf.models import LVBertBackbone, LVBertTokenizer
from lvbert_tf.text import Tokenizer, Vocabulary
from lvbert_tf.text.added_tokens import AddedToken

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Letters that take an accent, join words, are alone, vanish or lie outside ASCII; all kinds of space.
CHARACTERS = "abAB_1é\u0301É ß½İ[]#.字新한가𝔸😀ⓐ\u200d\u0301\t\n\xa0\u3000\x07\ufffd-"
PIECES = (
    *SPECIAL,
    *sorted({char for char in "abe_1éß½[]#.字新𝔸😀ⓐABEÉ-" if not char.isspace()}),
    *(f"##{char}" for char in "abe_1éß½𝔸😀ⓐABEÉ"),
    *("ab", "##ab", "covid", "co", "##vid"),
)
MODES = [(True, None), (True, False), (False, None)]


def peer_of(added, lowercase, strip_accents):
    """The tokenizer of the tokenizers library, and the vocabulary with what is added."""
    ids = {token: number for number, token in enumerate(PIECES)}
    peer = bert_tokenizer(ids, lowercase, strip_accents)
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    for token in added:
        flags = {name: getattr(token, name) for name in names}
        add = peer.add_special_tokens if token.special else peer.add_tokens
        add([tokenizers.AddedToken(token.content, **flags)])
    tokens = dict(enumerate(PIECES))  # id_to_token would give the normalised ones
    tokens |= {number: token.content for number, token in peer.get_added_tokens_decoder().items()}
    return peer, Vocabulary(tuple(tokens[number] for number in range(len(tokens))))


def pair(added, lowercase=True, strip_accents=None):
    """Ours and theirs."""
    peer, vocabulary = peer_of(added, lowercase, strip_accents)
    return Tokenizer(vocabulary, lowercase, strip_accents, added), peer


def assert_same(ours, peer, texts):
    expected = [encoding.ids for encoding in peer.encode_batch(texts, add_special_tokens=False)]
    got = ours(texts).to_list()
    assert [(t, a, b) for t, a, b in zip(texts, got, expected, strict=True) if a != b] == []
    aligned, starts, ends = ours.tokenize_with_offsets(texts)
    assert aligned.to_list() == got
    for text, firsts, lasts in zip(texts, starts.to_list(), ends.to_list(), strict=True):
        bounds = [0, *(place for span in zip(firsts, lasts, strict=True) for place in span)]
        assert firsts == sorted(firsts) and lasts == sorted(lasts)
        assert all(0 <= place <= len(text.encode()) for place in bounds)


FIXED = [
    AddedToken("covid", is_piece=True),
    AddedToken("😀"),
    AddedToken("[NEW]"),
    AddedToken("A_b", normalized=False),
    AddedToken("bab", single_word=True),
    AddedToken("<e>", lstrip=True, rstrip=True, normalized=False, special=True),
    AddedToken("aé", lstrip=True),
    AddedToken("a", rstrip=True, single_word=True, normalized=False, is_piece=True),
    AddedToken("新字"),
    AddedToken("a b"),
]


@pytest.mark.parametrize("mode", MODES)
def test_random_texts_have_the_ids_of_hugging_face(mode):
    ours, peer = pair(FIXED, *mode)
    chooser = random.Random(7)
    parts = [
        *CHARACTERS,
        *(token.content for token in FIXED),
        " ",
        "  ",
        "co",
        "COVID",
        "BAB",
        "Ae",
    ]
    texts = ["".join(chooser.choices(parts, k=chooser.randint(0, 12))) for _ in range(1000)]
    texts += ["", " ", "covidcovid", "xcovidx [new][NEW]", "bab babb bab", "A b"]
    assert_same(ours, peer, texts)


tokens = st.builds(
    AddedToken,
    content=st.text("abAB_é字新.[]😀- ", min_size=1, max_size=4).filter(
        lambda text: text == text.strip() and text not in PIECES
    ),
    single_word=st.booleans(),
    lstrip=st.booleans(),
    rstrip=st.booleans(),
    normalized=st.booleans(),
    special=st.booleans(),
)


@hypothesis.settings(max_examples=10)
@hypothesis.given(
    added=st.lists(tokens, min_size=1, max_size=5, unique_by=lambda token: token.content),
    texts=st.lists(st.text(CHARACTERS, max_size=12), min_size=8, max_size=8),
    mode=st.sampled_from(MODES),
    chooser=st.randoms(use_true_random=False),
)
def test_any_added_tokens(added, texts, mode, chooser):
    # Special ones first: they are looked for first, and each kind keeps its order.
    added = sorted(added, key=lambda token: not token.special)
    contents = [token.content for token in added]
    texts += ["".join(chooser.choices([*contents, *CHARACTERS], k=8)) for _ in texts]
    ours, peer = pair(added, *mode)
    tf.config.run_functions_eagerly(True)  # a graph for each example would take longest
    try:
        assert_same(ours, peer, texts)
    finally:
        tf.config.run_functions_eagerly(False)


def test_a_token_is_no_part_of_words():
    vocabulary = Vocabulary((*SPECIAL, "co", "##vid", "covid", "##19", "x"))
    token = AddedToken("covid", single_word=True)
    ids = Tokenizer(vocabulary, added_tokens=[token])(["covid", "covid19", "x covid,x"])
    assert ids.to_list() == [[7], [5, 6, 8], [9, 7, 1, 9]]
    assert Tokenizer(vocabulary)(["covid19"]).to_list() == [[7, 8]]


def test_offsets_of_added_tokens():
    vocabulary = Vocabulary((*SPECIAL, "a", "b", "<e>", "é", "cafe", "字"))
    added = [
        AddedToken("<e>", lstrip=True, rstrip=True, normalized=False),
        AddedToken("CAFÉ"),
        AddedToken("字"),
    ]
    tokenizer = Tokenizer(Vocabulary((*vocabulary.tokens[:9], "CAFÉ", "字")), added_tokens=added)
    for text, expected in (
        ("a  <e> b", ["a", "  <e> ", "b"]),
        ("a Cafe\u0301\x07b", ["a", "Cafe\u0301", "b"]),
        ("a字b", ["a", "字", "b"]),
        ("<e>\x01a", ["<e>", "a"]),
    ):
        raw = text.encode()
        ids, starts, ends = tokenizer.tokenize_with_offsets(text)
        spans = zip(starts.numpy(), ends.numpy(), strict=True)
        assert [raw[start:end].decode() for start, end in spans] == expected, text
        assert len(ids) == len(expected)


def test_in_a_saved_model_and_a_dataset(tmp_path):
    ours, peer = pair(FIXED)
    texts = ["a covid<e>  b", "字 A_b", ""]
    expected = [encoding.ids for encoding in peer.encode_batch(texts, add_special_tokens=False)]
    dataset = tf.data.Dataset.from_tensor_slices(texts).batch(2).map(ours)
    assert [row for batch in dataset for row in batch.to_list()] == expected

    class Service(tf.Module):
        def __init__(self):
            super().__init__()
            self.tokenizer = ours

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, strings):
            return self.tokenizer(strings).to_tensor()

    tf.saved_model.save(Service(), str(tmp_path / "model"))
    restored = tf.saved_model.load(str(tmp_path / "model"))(tf.constant(texts)).numpy()
    assert restored.tolist() == ours(texts).to_tensor().numpy().tolist()


def test_a_preset_keeps_them(tmp_path):
    _, vocabulary = peer_of(FIXED, True, None)
    tokenizer = LVBertTokenizer(vocabulary, added_tokens=FIXED)
    backbone = LVBertBackbone(vocabulary.size, "F", 1, hidden_dim=4, intermediate_dim=4)
    for part in (backbone, tokenizer):
        part.save_to_preset(str(tmp_path))
    again = LVBertTokenizer.from_preset(str(tmp_path))
    assert again.added_tokens == tuple(FIXED)
    texts = ["covid<e> a", "[NEW]b"]
    assert again.tokenize(texts).to_list() == tokenizer.tokenize(texts).to_list()
    path = tmp_path / "tokenizer.json"
    config = json.loads(path.read_text())
    del config["config"]["added_tokens"]  # as earlier presets
    path.write_text(json.dumps(config))
    assert LVBertTokenizer.from_preset(str(tmp_path)).added_tokens == ()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"content": ""}, "is empty"),
        ({"content": " a"}, "begins or ends with whitespace"),
        ({"content": "a\nb"}, "begins or ends with whitespace, or has a line end"),
        ({"content": "a", "lstrip": 1}, "lstrip is 1; expected true or false"),
        ({"content": 3}, "content is 3; expected a string"),
        ({"content": "a", "bold": True}, "expected content, single_word"),
        ({}, "expected content"),
        ({"content": "\u0301"}, "nothing is left of it"),
        ({"content": "zzz"}, "the vocabulary lacks the added token 'zzz'"),
    ],
)
def test_what_cannot_be_a_token_is_named(values, expected):
    with pytest.raises(InputError) as caught:
        LVBertTokenizer([*SPECIAL, "\u0301", "a"], added_tokens=[values])
    assert expected in str(caught.value)
