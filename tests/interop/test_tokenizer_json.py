"""Hugging Face's `tokenizers` finds the ids of our tokenizer by the file that we write."""

import json
import random
import sys

import pytest
import tensorflow as tf
import tokenizers
from added_tokens import some_texts

from lvbert_tf.errors import InputError
from lvbert_tf.interop.huggingface_tokenizer import read_tokenizer
from lvbert_tf.interop.tokenizer_json import tokenizer_json
from lvbert_tf.text import Tokenizer, Vocabulary
from lvbert_tf.text.added_tokens import AddedToken
from lvbert_tf.text.characters import is_dropped
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS
from lvbert_tf.text.words import WordSplitter

MODES = [(True, True), (True, False), (False, False)]
# U+11938 is decomposed by Python's Unicode and not by that of the library.
NOT_DECOMPOSED = "\U00011938"


def theirs(tokenizer) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(tokenizer_json(tokenizer))


def ids_of(peer, texts):
    return [encoding.ids for encoding in peer.encode_batch(texts, add_special_tokens=False)]


@pytest.mark.parametrize("mode", MODES)
def test_the_texts_of_the_reference(fixtures, mode):
    cases = json.loads((fixtures / "tokenizer" / "official_tokens.json").read_text())
    texts = [case["text"] for case in cases]
    texts += ["ΟΔΟΣ ΣΑΣ'Σ, ΑΣ.", "new emoji \U0001fa77 a\U0002b8ffb", "x" * 201, "[CLS] a [MASK]"]
    ours = Tokenizer(fixtures / "tokenizer" / "vocab.txt", *mode)
    assert ids_of(theirs(ours), texts) == ours(texts).to_list()


@pytest.mark.parametrize("mode", MODES)
def test_every_character(mode):
    """Its words, between letters; those of nine in ten characters that are dropped are left out."""
    codes = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    chooser = random.Random(0)
    kept = [chr(c) for c in codes if not is_dropped(chr(c)) or chooser.random() < 0.1]
    texts = [f"a{char}B" for char in kept]
    split = WordSplitter(*mode)
    ours = split(tf.constant(texts)).to_list()
    peer = theirs(Tokenizer(Vocabulary((*SPECIAL_TOKENS, "a")), *mode))
    wrong = []
    for text, words in zip(texts, ours, strict=True):
        found = peer.pre_tokenizer.pre_tokenize_str(peer.normalizer.normalize_str(text))
        if [word for word, _ in found] != [word.decode() for word in words]:
            wrong.append(text[1])
    assert wrong == ([NOT_DECOMPOSED] if mode[1] else [])


@pytest.mark.parametrize("mode", MODES)
def test_words_with_sigmas_and_marks(mode):
    chooser = random.Random(1)
    letters = "ΣΣΣαΑ'.·\u0301\u00ad\u200b\U0001fa77 ́ 1ʰ中é"
    texts = ["".join(chooser.choices(letters, k=chooser.randint(1, 9))) for _ in range(2000)]
    letters = sorted({*"σςαΣΑ'.·1ʰ中eé", "\u0301"})
    vocabulary = Vocabulary((*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters)))
    ours = Tokenizer(vocabulary, *mode)
    assert ids_of(theirs(ours), texts) == ours(texts).to_list()


def test_added_tokens(fixtures):
    saved = fixtures / "huggingface_tokenizer"
    expected = json.loads((saved / "ids.json").read_text(encoding="utf-8"))
    ours = read_tokenizer(saved).tokenizer
    peer = theirs(ours)
    assert ids_of(peer, expected["texts"]) == expected["ids"]
    texts = some_texts(seed=5)
    assert ids_of(peer, texts) == ours(texts).to_list()
    ids = {token.content: peer.token_to_id(token.content) for token in ours.added_tokens}
    assert ids == {content: ours.vocabulary.id(content) for content in ids}


def test_a_token_on_two_lines(fixtures):
    added = AddedToken("<x>")
    ours = Tokenizer(Vocabulary((*SPECIAL_TOKENS, "a", "b", "a", "<x>")), added_tokens=[added])
    assert ids_of(theirs(ours), ["a b<x>"]) == ours(["a b<x>"]).to_list() == [[7, 6, 8]]


def test_special_tokens_are_added_on_request(fixtures):
    peer = theirs(Tokenizer(Vocabulary((*SPECIAL_TOKENS, "a", "b"))))
    encoding = peer.encode("a", "b b")
    assert encoding.tokens == ["[CLS]", "a", "[SEP]", "b", "b", "[SEP]"]
    assert encoding.type_ids == [0, 0, 0, 1, 1, 1]


def test_an_added_token_among_the_others_is_refused():
    ours = Tokenizer(Vocabulary((*SPECIAL_TOKENS, "<x>", "a")), added_tokens=[AddedToken("<x>")])
    with pytest.raises(InputError, match="'<x>' stands among the other tokens"):
        tokenizer_json(ours)
