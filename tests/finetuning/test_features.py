"""The rows of a run against KerasHub's preprocessors of the same texts."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lvbert_tf.finetuning.objectives.features import model_inputs
from lvbert_tf.finetuning.objectives.text_features import text_features
from lvbert_tf.models import (
    LVBertTextClassifierPreprocessor,
    LVBertTokenizer,
    LVBertTokenTaggerPreprocessor,
)
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

TOKENS = [*SPECIAL_TOKENS, "a", "b", "##a", "##b", "."]
PAD, UNK, CLS, SEP, MASK, A, B, _A, _B, DOT = range(len(TOKENS))
LENGTH = 9

TEXTS = st.text("ab. é", max_size=14)


@functools.cache
def tokenizer():
    return LVBertTokenizer(TOKENS)


@functools.cache
def preprocessor(kind):
    return kind(tokenizer(), sequence_length=LENGTH)


def batch_of(features):
    return model_inputs(features.batch(tf.range(features.num_rows), LENGTH))


def assert_equal(inputs, expected):
    assert sorted(inputs) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(inputs[name], value, err_msg=name)


def test_rows_by_hand():
    features = text_features(
        tokenizer().tokenizer,
        ["ab.", "a", "b b b b b b b b"],
        ["b", "a b a b a b a b", "a a a a a a a a"],
        LENGTH,
        {"label": tf.constant([7, 8, 9])},
    )
    assert features.tokens["token_ids"].to_list() == [
        [CLS, A, _B, DOT, SEP, B, SEP],
        [CLS, A, SEP, A, B, A, B, A, SEP],
        [CLS, B, B, B, SEP, A, A, A, SEP],
    ]
    batch = features.batch(tf.constant([1, 0]), LENGTH)
    assert batch["token_ids"].numpy().tolist() == [
        [CLS, A, SEP, A, B, A, B, A, SEP],
        [CLS, A, _B, DOT, SEP, B, SEP, PAD, PAD],
    ]
    assert batch["segment_ids"].numpy().tolist() == [
        [0, 0, 0, 1, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 1, 1, 0, 0],
    ]
    assert batch["padding_mask"].numpy().tolist() == [[1] * 9, [1] * 7 + [0] * 2]
    assert batch["label"].numpy().tolist() == [8, 7]


@settings(max_examples=10)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=20))
@example([("", "")])
@example([("a a a a", "b b b b"), ("a a a", "b b b"), ("a a a a a a a", "")])
def test_texts_are_those_of_the_preprocessor(pairs):
    texts, others = (list(part) for part in zip(*pairs, strict=True))
    preprocess = preprocessor(LVBertTextClassifierPreprocessor)
    single = text_features(tokenizer().tokenizer, texts, None, LENGTH)
    assert_equal(batch_of(single), preprocess(texts))
    paired = text_features(tokenizer().tokenizer, texts, others, LENGTH)
    assert_equal(batch_of(paired), preprocess((texts, others), y=None))


@settings(max_examples=10)
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_words_are_those_of_the_text(texts):
    """Word by word there are the same tokens: no word here is without any."""
    words = preprocessor(LVBertTokenTaggerPreprocessor)(texts)
    features = text_features(tokenizer().tokenizer, texts, None, LENGTH)
    assert_equal(batch_of(features), words)


@pytest.mark.parametrize("count", [1024, 1025])
def test_many_rows_keep_their_order(count):
    texts = ["a " * (index % 5) + "b" for index in range(count)]
    features = text_features(tokenizer().tokenizer, texts, None, LENGTH)
    assert features.lengths.tolist() == [index % 5 + 3 for index in range(count)]
