"""Metrics of question answering against values computed by hand or published."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvbert_tf.finetuning.metrics.answer_rules import ANSWER_RULES
from lvbert_tf.finetuning.metrics.question_answering import score_answers, score_answers_or_none
from lvbert_tf.finetuning.task_examples import Question, RowLocation


def approx(metrics):
    return pytest.approx(metrics, rel=1e-12, abs=1e-12)


def questions(**answers) -> list[Question]:
    return [
        Question(key, "?", "", tuple(texts), (), not texts, RowLocation("dev.json", key))
        for key, texts in answers.items()
    ]


PUBLISHED = questions(a=["1976"], b=["Beyoncé and Bruno Mars"], c=["climate change"])
PUBLISHED_PREDICTIONS = {"a": "1976", "b": "Beyonce", "c": "climate change"}


def test_published_answers():
    """The worked example of the metric cards of SQuAD and SQuAD 2.0 in Hugging Face's evaluate."""
    assert score_answers(PUBLISHED, PUBLISHED_PREDICTIONS) == approx(
        {"exact_match": 200 / 3, "f1": 200 / 3}
    )
    none = dict.fromkeys(PUBLISHED_PREDICTIONS, 0.0)
    share = dict.fromkeys(
        ("exact", "f1", "HasAns_exact", "HasAns_f1", "best_exact", "best_f1"), 200 / 3
    )
    assert score_answers_or_none(PUBLISHED, PUBLISHED_PREDICTIONS, none, 1.0) == approx(
        share | {"total": 3, "HasAns_total": 3, "best_exact_thresh": 0, "best_f1_thresh": 0}
    )


def test_the_best_answer_of_a_question_counts():
    asked = questions(a=["blue whale", "the whale"], b=["x"])
    assert score_answers(asked, {"a": "whale shark", "b": "y"}) == approx(
        {"exact_match": 0.0, "f1": 100 * (2 / 3) / 2}
    )


def test_answers_or_none():
    asked = questions(a=["red car"], b=["x"], c=[], d=[])
    predictions = {"a": "red", "b": "x", "c": "y", "d": ""}
    scores = {"a": -4.0, "b": -1.0, "c": -2.0, "d": -3.0}
    metrics = score_answers_or_none(asked, predictions, scores, threshold=-2.75)
    # a is answered in part; b and c are taken for unanswerable, d is answered with nothing.
    assert metrics == approx(
        {
            **{"exact": 50.0, "f1": 100 * (2 / 3 + 0 + 1 + 1) / 4, "total": 4},
            **{"HasAns_exact": 0.0, "HasAns_f1": 100 * (2 / 3) / 2, "HasAns_total": 2},
            **{"NoAns_exact": 100.0, "NoAns_f1": 100.0, "NoAns_total": 2},
            # No answer at all: 2 right. Then a d c b in turn: exact 2 2 1 2, f1 2.67 2.67 1.67 2.67.
            **{"best_exact": 50.0, "best_exact_thresh": 0.0},
            **{"best_f1": 100 * (2 + 2 / 3) / 4, "best_f1_thresh": -4.0},
        }
    )


def test_answering_everything_can_be_best():
    asked = questions(a=["x"], b=[])
    metrics = score_answers_or_none(asked, {"a": "x", "b": ""}, {"a": 2.0, "b": 1.0}, 0.0)
    assert (metrics["exact"], metrics["best_exact"], metrics["best_exact_thresh"]) == (50, 100, 2)


def test_answers_without_a_word_mean_none():
    metrics = score_answers_or_none(questions(a=["the"]), {"a": "!"}, {"a": 0.0}, 1.0)
    assert (metrics["exact"], metrics["f1"]) == (100.0, 100.0)
    assert score_answers(questions(a=["the"]), {"a": "!"}) == {"exact_match": 100.0, "f1": 0.0}


def test_every_question_needs_a_prediction():
    with pytest.raises(ValueError, match=r"1 questions have no prediction, e\.g\. 'c'"):
        score_answers(PUBLISHED, {"a": "", "b": ""})
    with pytest.raises(ValueError, match="3 questions have no prediction"):
        score_answers_or_none(PUBLISHED, PUBLISHED_PREDICTIONS, {}, 0.0)
    with pytest.raises(ValueError, match="not finite"):
        score_answers_or_none(PUBLISHED, PUBLISHED_PREDICTIONS, dict.fromkeys("abc", math.nan), 0.0)


@settings(max_examples=80)
@given(rows=st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(-3, 3)), min_size=1))
def test_no_threshold_beats_the_best(rows):
    """Against every threshold tried in turn. Distinct scores, as ties are the script's own."""
    asked, predictions, scores = [], {}, {}
    for index, (answerable, right, score) in enumerate(rows):
        key = str(index)
        asked += questions(**{key: ["x"] * answerable})
        predictions[key] = "x" if right else "y"
        scores[key] = score + index / 1000
    tried = [
        score_answers_or_none(asked, predictions, scores, threshold)["exact"]
        for threshold in [-10.0, *scores.values()]
    ]
    metrics = score_answers_or_none(asked, predictions, scores, 0.0)
    assert metrics["best_exact"] == pytest.approx(max(tried))


def test_metrics_by_another_rule():
    asked = questions(a=["北京大学", "北大"], b=["x"])
    predictions = {"a": "北京的大学", "b": "x。"}
    rule = ANSWER_RULES["cmrc"]
    assert score_answers(asked, predictions, rule) == approx(
        {"exact_match": 50.0, "f1": 100 * (4 / 9 + 1) / 2}
    )
    asked += questions(c=[])
    scores = {"a": -1.0, "b": -1.0, "c": 1.0}
    metrics = score_answers_or_none(asked, predictions | {"c": "y"}, scores, 0.0, rule)
    assert (metrics["exact"], metrics["NoAns_f1"]) == approx((200 / 3, 100))
    assert metrics["HasAns_f1"] == approx(100 * (4 / 9 + 1) / 2)
