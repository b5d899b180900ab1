"""From the best spans of windows to the best answers of questions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from lvbert_tf.layers.span_head import NoAnswer
from lvbert_tf.text.windows import Windows

# Below the score of any span, whose two logits are lowered by 1000 at most.
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

    The score of a span is that of its start plus that of its end. A span counts in the window where
    its first token has most context, and if it is in the context whole.

    Args:
      windows: of the questions.
      contexts: the text of each question's context.
      outputs: of `SpanHead` in inference, an array for each row of `windows`.
      n_best_size: answers of a question at most.
      max_answer_length: tokens of an answer at most.
      no_answer: the head's.

    Returns:
      for each question of JSON's types `answer`, cut out of the context as it stands there, `start`
      and `end` in characters, `n_best` (texts that differ, the best first, each with `text`, `start`,
      `end`, `score` and its `probability` among them) and, with any `no_answer`,
      `no_answer_score`: the lowest of its windows'; where a span tells it, less the best answer's
      score. Without any possible span the answer is "", `start` and `end` are None.
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
    """Question, first and last token in the context and score of every span that may be an answer,
    ordered by question and falling score."""
    beams = np.array([len(row) for row in outputs["starts"]])  # fewer where rows are short
    row = np.repeat(np.arange(len(beams)), beams)
    in_window = np.concatenate(outputs["starts"]) - windows.first_positions[row]
    token = in_window + windows.start.numpy()[row]
    length = windows.length.numpy()
    possible = (in_window >= 0) & (in_window < length[row])
    possible &= has_most_context(
        windows, tf.constant(row, tf.int32), tf.constant(token, tf.int32)
    ).numpy()

    # The same of the pairs of a start and an end.
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
    """Whether no other window of the question has more context around a token; also in a graph.

    The context is the smaller number of tokens to the left and to the right; of windows of different
    lengths a hundred tokens more of length count as one of context. Of equals the first one has most.

    Args:
      row: indices of rows, int32.
      token: places in the contexts, int32 of a shape that `row` broadcasts to.
    """
    last = tf.size(windows.start) - 1

    def context_in(other):
        length = tf.gather(windows.length, other)
        left = token - tf.gather(windows.start, other)
        smaller = tf.minimum(left, length - 1 - left)
        return tf.where(smaller < 0, -1, 100 * smaller + length)

    def context_beside(distance):
        """-1 where there is no such row of the same question."""
        other = tf.clip_by_value(row + distance, 0, last)
        same = tf.gather(windows.question, other) == tf.gather(windows.question, row)
        return tf.where(same & (other == row + distance), context_in(other), -1)

    own = context_in(row)
    most = own >= 0
    for distance in range(1, windows.sizes.most_overlapping + 1):
        most &= (context_beside(-distance) < own) & (context_beside(distance) <= own)
    return most


def _ranked(context: str, spans, scores: np.ndarray, n_best_size: int) -> dict[str, Any]:
    """The answers of one question, of its spans by falling score."""
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
