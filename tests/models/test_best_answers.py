"""Ranking answers: by hand, and against the reference's loops over random spans."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.models.best_answers import best_answers, has_most_context
from lvbert_tf.text import Tokenizer, Vocabulary
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS
from lvbert_tf.text.windows import WindowSizes, make_windows


@functools.cache
def tokenizer():
    return Tokenizer(Vocabulary((*SPECIAL_TOKENS, "who", *"abcdefgh")))


def windows_over(contexts, sizes=(9, 1, 2)):
    """By default a window has 5 tokens, from position 3 on."""
    return make_windows(tokenizer(), ["who"] * len(contexts), contexts, WindowSizes(*sizes))


def spans_of_rows(*rows):
    """Outputs of a head with beams of one row's spans: (start, end, score), ends one a start."""
    return {
        "starts": [np.array([start for start, _, _ in row], np.int32) for row in rows],
        "start_scores": [np.array([score for _, _, score in row], np.float32) for row in rows],
        "ends": [
            np.array([[end] * len(row) for _, end, _ in row], np.int32).reshape(len(row), -1)
            for row in rows
        ],
        "end_scores": [np.zeros((len(row), len(row)), np.float32) for row in rows],
    }


def texts(answer):
    return [entry["text"] for entry in answer["n_best"]]


def test_the_answer_is_cut_out_of_the_text_as_it_stands():
    contexts = ["A  b É🎤 c", "d e"]
    outputs = spans_of_rows([(3, 5, -1.0), (4, 4, -2.0)], [(4, 4, -3.0)])
    first, second = best_answers(windows_over(contexts), contexts, outputs, 20, 30, None)
    assert (first["answer"], first["start"], first["end"]) == ("A  b É🎤", 0, 7)
    assert texts(first) == ["A  b É🎤", "b"]
    weights = np.exp([-1.0, -2.0])
    probabilities = [entry["probability"] for entry in first["n_best"]]
    np.testing.assert_allclose(probabilities, weights / weights.sum(), rtol=1e-6)
    assert (second["answer"], second["start"], second["end"]) == ("e", 2, 3)
    assert second["n_best"] == [
        {"text": "e", "start": 2, "end": 3, "score": -3.0, "probability": 1.0}
    ]


def test_spans_that_are_no_answers_are_passed_over():
    contexts = ["a b c"]  # at 3, 4, 5; [SEP] at 6
    impossible = [(0, 0, 9.0), (1, 3, 8.0), (2, 2, 7.0), (3, 6, 6.0), (6, 6, 5.0), (5, 4, 4.0)]
    too_long = (3, 5, 3.0)
    outputs = spans_of_rows([*impossible, too_long, (4, 5, 2.0)])
    (answer,) = best_answers(windows_over(contexts), contexts, outputs, 20, 2, None)
    assert texts(answer) == ["b c"]


def test_equal_texts_are_one_answer_and_n_are_kept():
    contexts = ["a a b c"]
    outputs = spans_of_rows([(3, 3, 4.0), (4, 4, 3.0), (5, 5, 2.0), (6, 6, 1.0)])
    (answer,) = best_answers(windows_over(contexts), contexts, outputs, 2, 30, None)
    assert [(entry["text"], entry["start"]) for entry in answer["n_best"]] == [("a", 0), ("b", 4)]


def test_a_token_counts_where_it_has_most_context():
    """Windows of a..e, c..g and e..h. The first has most of c (two tokens on the nearer side, the
    second none), and d too, of which both have one; the second has most of e and g."""
    contexts = ["a b c d e f g h"]
    outputs = spans_of_rows(
        [(5, 5, 9.0), (6, 6, 8.0), (7, 7, 7.0)],
        [(3, 3, 6.0), (4, 4, 5.0), (5, 5, 4.0), (7, 7, 3.0)],
        [(3, 3, 2.0), (5, 5, 1.0)],
    )
    windows = windows_over(contexts)
    assert windows.start.numpy().tolist() == [0, 2, 4]
    (answer,) = best_answers(windows, contexts, outputs, 20, 30, None)
    assert texts(answer) == ["c", "d", "e", "g"]
    assert [entry["score"] for entry in answer["n_best"]] == [9.0, 8.0, 4.0, 1.0]


def test_no_answer_scores():
    contexts = ["a b c d e f g h", "a"]
    outputs = spans_of_rows([(5, 5, -1.0)], [(5, 5, -0.5)], [(5, 5, -9.0)], [(0, 0, -1.0)])
    outputs["no_answer_score"] = list(np.array([2.0, -1.5, 3.0, 0.5], np.float32))
    windows = windows_over(contexts)
    classified = best_answers(windows, contexts, outputs, 20, 30, "likely_starts")
    assert [answer["no_answer_score"] for answer in classified] == [-1.5, 0.5]
    by_span = best_answers(windows, contexts, outputs, 20, 30, "span")
    assert [answer["no_answer_score"] for answer in by_span] == [-1.0, 2000.5]
    assert by_span[1] | {"no_answer_score": 0} == {
        **{"answer": "", "start": None, "end": None, "n_best": [], "no_answer_score": 0}
    }


# --- the reference's loops


def reference_has_most_context(spans, index, position):
    best_score, best_index = None, None
    for other, (start, length) in enumerate(spans):
        end = start + length - 1
        if start <= position <= end:
            score = min(position - start, end - position) + 0.01 * length
            if best_score is None or score > best_score:
                best_score, best_index = score, other
    return best_index == index


@pytest.mark.parametrize("sizes", [(9, 1, 2), (12, 1, 1), (20, 1, 7), (9, 1, 50), (300, 1, 200)])
def test_most_context_is_the_references(sizes):
    contexts = [" ".join("abcdefgh"[i % 8] for i in range(n)) for n in (3, 60, 1, 17, 18, 350)]
    windows = windows_over(contexts, sizes)
    starts, lengths = windows.start.numpy(), windows.length.numpy()
    row = np.repeat(np.arange(len(starts)), lengths)
    token = np.concatenate([s + np.arange(n) for s, n in zip(starts, lengths, strict=True)])
    expected = []
    for r, t in zip(row, token, strict=True):
        question = windows.question.numpy()
        rows = np.flatnonzero(question == question[r])
        spans = [(starts[other], lengths[other]) for other in rows]
        expected.append(reference_has_most_context(spans, int(r - rows[0]), t))
    found = has_most_context(windows, tf.constant(row, tf.int32), tf.constant(token, tf.int32))
    assert found.numpy().tolist() == expected
    tokens = sum(len(context.split()) for context in contexts)
    assert sum(expected) == tokens  # each of them once


def test_ranking_is_the_references():
    random = np.random.default_rng(0)
    contexts = [" ".join(random.choice(list("abcdefgh"), n)) for n in (5, 30, 1, 14)]
    windows = windows_over(contexts, (11, 1, 3))
    outputs = {"starts": [], "start_scores": [], "ends": [], "end_scores": []}
    for row, length in enumerate(windows.lengths):
        k = min(6, length) if row % 2 else min(4, length)  # rows of batches of unequal length
        outputs["starts"].append(random.permutation(length)[:k].astype(np.int32))
        outputs["start_scores"].append(random.normal(size=k).astype(np.float32))
        ends = np.stack([random.permutation(length)[:k] for _ in range(k)]).astype(np.int32)
        outputs["ends"].append(ends)
        outputs["end_scores"].append(random.normal(size=(k, k)).astype(np.float32))
    answers = best_answers(windows, contexts, outputs, 5, 4, None)

    question = windows.question.numpy()
    for index, context in enumerate(contexts):
        rows = np.flatnonzero(question == index)
        spans = [(int(windows.start[r]), int(windows.length[r])) for r in rows]
        found = []
        for place, r in enumerate(rows):
            window_start, window_length = spans[place]
            positions = range(3, 3 + window_length)
            for i, start in enumerate(outputs["starts"][r]):
                for j, end in enumerate(outputs["ends"][r][i]):
                    if start not in positions or end not in positions:
                        continue
                    token = int(start) - 3 + window_start
                    if not reference_has_most_context(spans, place, token):
                        continue
                    if end < start or end - start + 1 > 4:
                        continue
                    score = outputs["start_scores"][r][i] + outputs["end_scores"][r][i, j]
                    found.append((score, token, token + int(end - start)))
        expected = {}
        for score, first, last in sorted(found, key=lambda span: -span[0]):
            text = context[2 * first : 2 * last + 1]
            if text not in expected and len(expected) < 5:
                expected[text] = (2 * first, float(score))
        got = {e["text"]: (e["start"], e["score"]) for e in answers[index]["n_best"]}
        assert list(got.items()) == list(expected.items())
        assert index == 2 or len(got) > 1
