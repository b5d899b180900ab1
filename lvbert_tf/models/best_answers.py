"""Ranks the answers of questions from the best spans of the windows over their contexts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lvbert_tf.layers.span_head import NoAnswer
from lvbert_tf.text.windows import Windows

# Lower than the score of any span: the head lowers each of a span's two logits by at most 1000.
NO_SPAN = -2000.0


def best_answers(
    windows: Windows,
    contexts: Sequence[str],
    outputs: Mapping[str, Sequence[np.ndarray]],
    n_best_size: int,
    max_answer_length: int,
    no_answer: NoAnswer | None,
) -> list[dict[str, Any]]:
    """Ranks the answers of each question over its windows.

    The score of a span is the score of its start plus that of its end. A span is an answer if it lies in
    the context as a whole, and it counts only in the window where its first token has most context.

    Args:
      windows: the windows of all questions.
      contexts: the text of each question's context.
      outputs: the outputs of `SpanHead` in inference, each with an array for each row of `windows`.
      n_best_size: the most answers of a question.
      max_answer_length: the most tokens of an answer.
      no_answer: what the head was made with.

    Returns:
      for each question a dict of JSON types:
        `answer`: the best answer, as it stands in the context; "" if no span is possible.
        `start`, `end`: where it is in the context, in characters; None if no span is possible.
        `n_best`: different answers, the best one first. Each has `text`, `start`, `end`, `score` and the
          `probability` that it has among them.
        `no_answer_score`, unless `no_answer` is None: the lowest score of the question's windows. If
          `no_answer` is "span", the score of the best answer is subtracted from it.
    """
    question, first, last, score = _candidates(windows, outputs, max_answer_length)
    starts, ends = windows.characters(question, first, last)
    bounds = np.searchsorted(question, np.arange(len(contexts) + 1))
    answers = []
    for context, low, high in zip(contexts, bounds[:-1], bounds[1:], strict=True):
        spans = zip(starts[low:high].tolist(), ends[low:high].tolist(), strict=True)
        answers.append(_ranked(context, spans, score[low:high], n_best_size))
    if no_answer is not None:
        rows = np.searchsorted(windows.question.numpy(), np.arange(len(contexts)))
        lowest = np.minimum.reduceat(np.stack(outputs["no_answer_score"]), rows)
        for answer, value in zip(answers, lowest.tolist(), strict=True):
            best = answer["n_best"][0]["score"] if answer["n_best"] else NO_SPAN
            answer["no_answer_score"] = value - best if no_answer == "span" else value
    return answers


def _candidates(windows: Windows, outputs, max_answer_length: int) -> tuple[np.ndarray, ...]:
    """All spans that may be answers, ordered by question and falling score.

    Returns:
      arrays of the same length: the question of each span, its first and its last token in the context,
      and its score.
    """
    beams = np.array([len(row) for row in outputs["starts"]])  # a short row has fewer starts
    row = np.repeat(np.arange(len(beams)), beams)
    in_window = np.concatenate(outputs["starts"]) - windows.first_positions[row]
    token = in_window + windows.start.numpy()[row]
    length = windows.length.numpy()
    possible = (in_window >= 0) & (in_window < length[row])
    possible &= has_most_context(
        windows, tf.constant(row, tf.int32), tf.constant(token, tf.int32)
    ).numpy()

    # From starts to pairs of a start and an end.
    start = np.repeat(np.arange(len(row)), beams[row])
    ends = np.concatenate([row.ravel() for row in outputs["ends"]])
    end_in_window = ends - windows.first_positions[row[start]]
    distance = end_in_window - in_window[start]
    kept = possible[start] & (distance >= 0) & (distance < max_answer_length)
    kept &= end_in_window < length[row[start]]

    end_scores = np.concatenate([row.ravel() for row in outputs["end_scores"]])[kept]
    start, distance = start[kept], distance[kept]
    score = np.concatenate(outputs["start_scores"])[start] + end_scores
    question = windows.question.numpy()[row[start]]
    order = np.lexsort((-score, question))
    first = token[start]
    return question[order], first[order], (first + distance)[order], score[order]


def has_most_context(windows: Windows, row: tf.Tensor, token: tf.Tensor) -> tf.Tensor:
    """Tells whether no other window of the question has more context around a token.

    The context of a token is the number of tokens to its left or to its right, whichever is smaller. A
    hundred tokens more in the whole window count as one token of context. If two windows are equal the
    first one wins. The function also works in a graph.

    Args:
      windows: the windows of all questions.
      row: int32, the rows of windows.
      token: int32 of a shape that `row` broadcasts to, the positions of tokens in the contexts.

    Returns:
      booleans of the shape of `token`.
    """
    last = tf.size(windows.start) - 1

    def context_in(other):
        length = tf.gather(windows.length, other)
        left = token - tf.gather(windows.start, other)
        smaller = tf.minimum(left, length - 1 - left)
        return tf.where(smaller < 0, -1, 100 * smaller + length)

    def context_beside(distance):
        """The context in the row at a distance; -1 where that row is of another question."""
        other = tf.clip_by_value(row + distance, 0, last)
        same = tf.gather(windows.question, other) == tf.gather(windows.question, row)
        return tf.where(same & (other == row + distance), context_in(other), -1)

    own = context_in(row)
    most = own >= 0
    for distance in range(1, windows.sizes.most_overlapping + 1):
        most &= (context_beside(-distance) < own) & (context_beside(distance) <= own)
    return most


def _ranked(context: str, spans, scores: np.ndarray, n_best_size: int) -> dict[str, Any]:
    """The answers of one question from its spans, which are ordered by falling score."""
    found: dict[str, dict[str, Any]] = {}
    for (start, end), score in zip(spans, scores, strict=True):
        text = context[start:end]
        if text not in found:
            found[text] = {"text": text, "start": start, "end": end, "score": float(score)}
            if len(found) == n_best_size:
                break
    n_best = list(found.values())
    if not n_best:
        return {"answer": "", "start": None, "end": None, "n_best": []}
    weights = np.exp([answer["score"] - n_best[0]["score"] for answer in n_best])
    for answer, weight in zip(n_best, weights, strict=True):
        answer["probability"] = float(weight / weights.sum())
    best = n_best[0]
    return {"answer": best["text"], "start": best["start"], "end": best["end"], "n_best": n_best}
