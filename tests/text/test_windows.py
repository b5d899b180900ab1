"""Windows over contexts, by hand and against the reference's loop."""

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.text import Tokenizer, Vocabulary
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS
from lvbert_tf.text.windows import WindowSizes, make_windows

WORDS = ["where", "who", "a", "b", "c", "d", "e", "f", "##g"]
TOKENS = (*SPECIAL_TOKENS, *WORDS)
PAD, UNK, CLS, SEP, MASK, WHERE, WHO, A, B, C, D, E, F, G = range(len(TOKENS))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(Vocabulary(TOKENS))


def rows_of(windows, length):
    batch = windows.batch(tf.range(len(windows.lengths)), length)
    return {name: value.numpy().tolist() for name, value in batch.items()}


def test_rows_by_hand(tokenizer):
    """The second question is cut to two tokens; its context takes three windows of four tokens."""
    questions, contexts = ["Where?", "who who who"], ["a b", "a b c d e f a b"]
    windows = make_windows(tokenizer, questions, contexts, WindowSizes(9, 2, 3))
    assert windows.question.numpy().tolist() == [0, 1, 1, 1]
    assert windows.start.numpy().tolist() == [0, 0, 3, 6]
    assert windows.length.numpy().tolist() == [2, 4, 4, 2]
    assert windows.lengths.tolist() == [7, 9, 9, 7]
    assert windows.first_positions.tolist() == [4, 4, 4, 4]
    rows = rows_of(windows, 9)
    assert rows["token_ids"] == [
        [CLS, WHERE, UNK, SEP, A, B, SEP, PAD, PAD],
        [CLS, WHO, WHO, SEP, A, B, C, D, SEP],
        [CLS, WHO, WHO, SEP, D, E, F, A, SEP],
        [CLS, WHO, WHO, SEP, A, B, SEP, PAD, PAD],
    ]
    assert rows["segment_ids"][2:] == [[0, 0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 0, 0]]
    assert rows["padding_mask"][2:] == [[1] * 9, [1, 1, 1, 1, 1, 1, 1, 0, 0]]


def test_equal_contexts_are_kept_once(tokenizer):
    windows = make_windows(tokenizer, ["who"] * 3, ["a b", "c", "a b"], WindowSizes(9, 2, 3))
    assert windows.context_ids.to_list() == [[A, B, SEP], [C, SEP]]
    assert [row[2:5] for row in rows_of(windows, 6)["token_ids"]] == [
        [SEP, A, B],
        [SEP, C, SEP],
        [SEP, A, B],
    ]


def test_texts_without_tokens(tokenizer):
    windows = make_windows(tokenizer, ["", "who"], ["", " \n"], WindowSizes(9, 2, 3))
    assert rows_of(windows, 5)["token_ids"] == [
        [CLS, SEP, SEP, PAD, PAD],
        [CLS, WHO, SEP, SEP, PAD],
    ]


@pytest.mark.parametrize("doc_stride", [1, 2, 5, 100])
@pytest.mark.parametrize("sequence_length", [8, 11, 30])
def test_windows_are_the_references(tokenizer, sequence_length, doc_stride):
    contexts = [" ".join("abcdef"[i % 6] for i in range(count)) for count in range(1, 24)]
    questions = ["who " * (1 + index % 4) for index in range(len(contexts))]
    sizes = WindowSizes(sequence_length, 4, doc_stride)
    windows = make_windows(tokenizer, questions, contexts, sizes)
    expected = []
    for index in range(len(contexts)):
        tokens, room, start = index + 1, sequence_length - (1 + index % 4) - 3, 0
        while start < tokens:
            length = min(tokens - start, room)
            expected.append([index, start, length])
            if start + length == tokens:
                break
            start += min(length, doc_stride)
    found = np.stack([windows.question, windows.start, windows.length], axis=1)
    assert found.tolist() == expected


def test_a_batch_is_made_in_a_graph(tokenizer):
    windows = make_windows(tokenizer, ["who"], ["a b c d e f a b"], WindowSizes(9, 2, 3))
    dataset = tf.data.Dataset.from_tensor_slices(([[1, 0], [0, 0]], [9, 10]))
    batches = list(dataset.map(windows.batch))
    assert batches[0]["token_ids"].numpy().tolist() == rows_of(windows, 9)["token_ids"][1::-1]
    assert batches[1]["token_ids"].shape == (2, 10)


CONTEXT = "ag  b — é🎤 ag."  # [a ##g] [b] [UNK —] [UNK é🎤] [a ##g] [UNK .]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ag", (0, 1)),
        ("a", (0, 0)),
        ("g", (1, 1)),
        ("b", (2, 2)),
        ("  b", (2, 2)),
        ("g  b —", (1, 3)),
        (CONTEXT, (0, 7)),
        (".", (7, 7)),
        ("  ", None),
    ],
)
def test_tokens_of_characters(tokenizer, text, expected):
    windows = make_windows(tokenizer, ["who"] * 2, ["a", CONTEXT], WindowSizes(20, 2, 3))
    start = CONTEXT.index(text)
    assert windows.token_span(1, start, start + len(text)) == expected


def test_characters_of_tokens(tokenizer):
    windows = make_windows(tokenizer, ["who"] * 2, ["a", CONTEXT], WindowSizes(20, 2, 3))
    first, last = np.arange(8), np.array([1, 1, 2, 3, 4, 6, 6, 7])
    starts, ends = windows.characters(np.ones(8, np.int32), first, last)
    assert [CONTEXT[start:end] for start, end in zip(starts, ends, strict=True)] == [
        *("ag", "g", "b", "—", "é🎤", "ag", "g", "."),
    ]


def test_sizes_that_leave_no_room_are_refused():
    assert WindowSizes(12, 8, 3).sequence_length == 12
    message = "max_query_length 9 leaves no room for the context in 12 tokens; it may be 8 at most"
    with pytest.raises(InputError, match=message):
        WindowSizes(12, 9, 3)
