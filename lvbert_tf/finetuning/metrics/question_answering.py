"""Metrics of answers, as the official scripts of SQuAD 1.1, SQuAD 2.0, MRQA and CMRC 2018 define them.

They are computed here because the packages that offer them need PyTorch (torchmetrics) or a network
(evaluate).
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from lvbert_tf.finetuning.metrics.answer_rules import ANSWER_RULES, AnswerRule
from lvbert_tf.finetuning.task_examples import Question

SPAN_METRICS = ("exact_match", "f1")
UNANSWERABLE_METRICS = ("exact", "f1")
_SQUAD = ANSWER_RULES["squad"]


def score_answers(
    questions: Sequence[Question], predictions: Mapping[str, str], rule: AnswerRule = _SQUAD
) -> dict[str, float]:
    """Scores answers to questions that all have one.

    The score of a question is the best over its right answers; a metric is the mean over questions.

    Args:
      questions: questions with at least one answer each.
      predictions: id -> text.
      rule: when an answer is right.

    Returns:
      exact_match and f1, in percent.

    Raises:
      ValueError: there are no questions, or one has no prediction.
    """
    predicted = _predictions_of(questions, predictions)
    rows = list(zip(questions, predicted, strict=True))
    return {
        "exact_match": _mean([_best(rule.exact_match, q.answers, text) for q, text in rows]),
        "f1": _mean([_best(rule.f1, q.answers, text) for q, text in rows]),
    }


def score_answers_or_none(
    questions: Sequence[Question],
    predictions: Mapping[str, str],
    no_answer_scores: Mapping[str, float],
    threshold: float,
    rule: AnswerRule = _SQUAD,
) -> dict[str, float]:
    """Scores as SQuAD 2.0 does, where some questions have no answer.

    Args:
      questions: questions with and without an answer.
      predictions: id -> text, also for questions that seem to have no answer.
      no_answer_scores: id -> how likely it is that there is no answer, on any scale.
      threshold: a score above it predicts "no answer".
      rule: when an answer is right.

    Returns:
      `exact`, `f1` and `total`; then the same for the questions with (`HasAns_`) and without
      (`NoAns_`) an answer, where there are any; then `best_exact`, `best_f1` and the thresholds
      (`_thresh`) that give them. `exact` and `f1` are in percent, totals are counts.

    Raises:
      ValueError: there are no questions, or one has no prediction or no finite score.
    """
    texts = _predictions_of(questions, predictions)
    scores = np.array(_predictions_of(questions, no_answer_scores), np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("a no-answer score is not finite")
    answers = [[a for a in q.answers if rule.normalized(a)] or [""] for q in questions]
    answerable = np.array([bool(q.answers) for q in questions])
    pairs = list(zip(answers, texts, strict=True))
    raw = {
        "exact": np.array([_best(rule.exact_match, a, text) for a, text in pairs]),
        "f1": np.array([_best(partial(_f1_or_none, rule), a, text) for a, text in pairs]),
    }
    decided = {
        name: np.where(scores > threshold, ~answerable, value) for name, value in raw.items()
    }
    metrics: dict[str, float] = {}
    everything = np.ones(len(questions), bool)
    groups = {"": everything, "HasAns_": answerable, "NoAns_": ~answerable}
    for prefix, group in groups.items():
        if group.any():
            metrics |= {prefix + name: _mean(value[group]) for name, value in decided.items()}
            metrics[prefix + "total"] = float(group.sum())
    for name, value in raw.items():
        gains = np.where(answerable, value, [-float(bool(text)) for text in texts])
        best, best_threshold = _best_threshold(gains, scores, int((~answerable).sum()))
        metrics[f"best_{name}"], metrics[f"best_{name}_thresh"] = best, best_threshold
    return metrics


def _f1_or_none(rule: AnswerRule, answer: str, prediction: str) -> float:
    """The rule's F1; it is 1 for two texts that are both empty after normalization."""
    if not rule.normalized(answer) or not rule.normalized(prediction):
        return rule.exact_match(answer, prediction)
    return rule.f1(answer, prediction)


def _best_threshold(
    gains: np.ndarray, no_answer_scores: np.ndarray, unanswerable: int
) -> tuple[float, float]:
    """The highest value that a threshold can give, in percent, and the threshold.

    If no question is answered, all unanswerable ones are right. Then the questions are answered one by
    one in the order of rising scores: each gains its score, or loses 1 if it has no answer and a text
    is given. Equal scores are not taken together; the official script does the same.
    """
    order = np.argsort(no_answer_scores, kind="stable")
    # Summed in the official script's order, so that rounding breaks no tie differently.
    points = np.cumsum(np.concatenate([[unanswerable], gains[order]]))[1:]
    best = int(np.argmax(points))
    if points[best] <= unanswerable:
        return 100.0 * unanswerable / len(gains), 0.0
    return 100.0 * float(points[best]) / len(gains), float(no_answer_scores[order[best]])


def _best(score, answers: Sequence[str], prediction: str) -> float:
    return max(score(answer, prediction) for answer in answers)


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return 100.0 * float(np.mean(values))


def _predictions_of(questions: Sequence[Question], predictions: Mapping[str, object]) -> list:
    if not questions:
        raise ValueError("no questions")
    missing = [question.id for question in questions if question.id not in predictions]
    if missing:
        raise ValueError(f"{len(missing)} questions have no prediction, e.g. {missing[0]!r}")
    return [predictions[question.id] for question in questions]
