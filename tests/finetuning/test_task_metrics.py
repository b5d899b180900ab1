"""Figures against values computed by hand or published."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvbert_tf.finetuning.examples import Question, Source
from lvbert_tf.finetuning.metrics import higher_is_better
from lvbert_tf.finetuning.metrics.classification import CLASSIFICATION_METRICS, score_classes
from lvbert_tf.finetuning.metrics.question_answering import (
    exact_match,
    f1,
    normalized_answer,
    score_answers,
    score_answers_or_none,
)
from lvbert_tf.finetuning.metrics.regression import REGRESSION_METRICS, score_numbers
from lvbert_tf.finetuning.metrics.tagging import score_entities, score_word_tags


def approx(figures):
    return pytest.approx(figures, rel=1e-12, abs=1e-12)


# --- Classes


def test_classes():
    # 3 true positives, 1 false positive, 2 false negatives, 4 true negatives.
    references = [1, 1, 1, 0, 1, 1, 0, 0, 0, 0]
    predictions = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    names = ("accuracy", "f1", "mcc", "macro_f1")
    figures = score_classes(references, predictions, names)
    positive, negative = 6 / 9, 8 / 11
    assert list(figures) == list(names)
    assert figures == approx(
        {
            "accuracy": 70.0,
            "f1": 100 * positive,
            "mcc": 100 * (3 * 4 - 1 * 2) / math.sqrt(4 * 5 * 5 * 6),
            "macro_f1": 50 * (positive + negative),
        }
    )


def test_classes_predicted_alike_have_no_correlation():
    assert score_classes([0, 1], [0, 0], ("mcc", "f1")) == {"mcc": 0.0, "f1": 0.0}


@pytest.mark.parametrize(
    ("references", "predictions", "expected"),
    [
        ([0], [0], {"accuracy": 100.0, "f1": 0.0, "macro_f1": 100.0, "mcc": 0.0}),
        ([1], [1], {"accuracy": 100.0, "f1": 100.0, "macro_f1": 100.0, "mcc": 0.0}),
        ([1], [0], {"accuracy": 0.0, "f1": 0.0, "macro_f1": 0.0, "mcc": 0.0}),
        ([0, 0], [0, 1], {"accuracy": 50.0, "f1": 0.0, "macro_f1": 100 / 3, "mcc": 0.0}),
    ],
)
def test_a_dev_set_of_one_row_or_one_class(recwarn, references, predictions, expected):
    """As scikit-learn has it, without its advice to programmers. macro_f1: of classes that occur."""
    assert score_classes(references, predictions, CLASSIFICATION_METRICS) == approx(expected)
    assert not recwarn.list


def test_three_classes():
    figures = score_classes([0, 1, 2, 2], [0, 2, 2, 2], ("accuracy", "macro_f1"))
    assert figures == approx({"accuracy": 75.0, "macro_f1": 100 * (1 + 0 + 0.8) / 3})


@pytest.mark.parametrize("predictions", [[], [0, 1, 1], [[0, 1]]])
def test_classes_and_predictions_must_agree_in_number(predictions):
    with pytest.raises(ValueError, match="2 references but"):
        score_classes([0, 1], predictions, ("accuracy",))


# --- Numbers


def test_numbers():
    # Deviations (-1.5 -.5 .5 1.5) and (-2 -1 0 3), ranks alike but for none: Spearman is 1.
    figures = score_numbers([1, 2, 3, 4], [1, 2, 3, 6], ("spearman", "pearson", "mse"))
    pearson = (3 + 0.5 + 0 + 4.5) / math.sqrt(5 * 14)
    assert figures == approx({"spearman": 100.0, "pearson": 100 * pearson, "mse": 1.0})


def test_ties_share_their_rank():
    # Ranks 1 2 3 and 1.5 1.5 3: covariance 1.5 over the root of 2 x 1.5.
    figures = score_numbers([1, 2, 3], [0, 0, 9], ("spearman",))
    assert figures == approx({"spearman": 100 * 1.5 / math.sqrt(3)})


def test_constant_predictions_have_no_correlation():
    figures = score_numbers([1, 2], [3, 3], ("pearson", "spearman", "mse"))
    assert figures == {"pearson": 0.0, "spearman": 0.0, "mse": 2.5}


@pytest.mark.parametrize("references", [[2.0], [2.0, 2.0]])
@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_labels_that_do_not_differ_correlate_with_nothing(recwarn, references, apart):
    """Whatever a model predicts, as for SciPy; a dev set of one row is such a one."""
    predictions = [5.0 + apart * row for row in range(len(references))]
    figures = score_numbers(references, predictions, REGRESSION_METRICS)
    assert math.isnan(figures["pearson"]) and math.isnan(figures["spearman"])
    assert figures["mse"] == approx(sum((p - 2) ** 2 for p in predictions) / len(predictions))
    assert not recwarn.list


@pytest.mark.parametrize(("references", "predictions"), [([], []), ([1], [1, 2])])
def test_numbers_and_predictions_must_agree_in_number(references, predictions):
    with pytest.raises(ValueError, match="references but"):
        score_numbers(references, predictions, ("mse",))


@pytest.mark.parametrize("prediction", [math.nan, math.inf])
def test_a_diverged_model_is_told(prediction):
    with pytest.raises(ValueError, match="not finite"):
        score_numbers([1, 2], [1, prediction], ("pearson",))


def test_the_better_figure():
    assert higher_is_better("mcc") and higher_is_better("f1") and not higher_is_better("mse")


# --- Tags


def test_entities():
    references = [["B-PER", "E-PER", "O", "S-LOC"], ["B-ORG", "I-ORG", "E-ORG"]]
    predictions = [["B-PER", "E-PER", "O", "S-ORG"], ["B-ORG", "E-ORG", "O"]]
    # One of three is right: the type of the second and the end of the third are not.
    assert score_entities(references, predictions) == approx(
        {"f1": 100 / 3, "precision": 100 / 3, "recall": 100 / 3}
    )


def test_recall_is_not_precision():
    references = [["S-X", "S-X", "S-X", "S-X"]]
    predictions = [["S-X", "O", "S-Y", "O"]]
    assert score_entities(references, predictions) == approx(
        {"f1": 100 / 3, "precision": 50.0, "recall": 25.0}
    )


def test_words_beyond_the_length_count_as_missed():
    references, predictions = [["S-X", "O", "S-X"], ["S-X"]], [["S-X"], []]
    figures = score_entities(references, predictions, ("precision", "recall"))
    assert figures == approx({"precision": 100.0, "recall": 100 / 3})
    assert score_word_tags([["D", "N", "V"]], [["D"]]) == approx({"accuracy": 100 / 3})


def test_published_entities():
    """The example of seqeval's documentation."""
    references = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    predictions = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    assert score_entities(references, predictions) == approx(
        {"f1": 50.0, "precision": 50.0, "recall": 50.0}
    )


def test_no_entities_at_all(recwarn):
    assert set(score_entities([["O"]], [["O"]]).values()) == {0.0}
    assert set(score_entities([["S-X"]], [["O"]]).values()) == {0.0}
    assert not recwarn.list


def test_word_tags():
    assert score_word_tags([["D", "N"], ["V"]], [["D", "V"], ["V"]]) == approx(
        {"accuracy": 200 / 3}
    )


@pytest.mark.parametrize("score", [score_entities, score_word_tags])
@pytest.mark.parametrize("predictions", [[["O", "O"]], [["O"], ["O"]]])
def test_tags_and_predictions_must_agree(score, predictions):
    with pytest.raises(ValueError, match=r"predicted tags|shorter|longer"):
        score([["O"]], predictions)


# --- Answers


def questions(**answers) -> list[Question]:
    return [
        Question(key, "?", "", tuple(texts), (), not texts, Source("dev.json", key))
        for key, texts in answers.items()
    ]


PUBLISHED = questions(a=["1976"], b=["Beyoncé and Bruno Mars"], c=["climate change"])
PUBLISHED_PREDICTIONS = {"a": "1976", "b": "Beyonce", "c": "climate change"}


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("The  Cat's\tan, a-b!", "cats ab"),
        ("theatre", "theatre"),
        ("A", ""),
        ("“Quoted”", "“quoted”"),
        ("É", "é"),
    ],
)
def test_normalization(text, normalized):
    assert normalized_answer(text) == normalized


def test_words_in_common():
    # 2 of 3 predicted words and of 4 right ones: "b" counts as often as both have it.
    assert f1("b b c d", "b x b") == approx(4 / 7)
    assert f1("b", "b b") == approx(2 / 3)
    assert f1("the", "a") == f1("b", "c") == 0.0
    assert exact_match("The end.", "END") == 1.0


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
    figures = score_answers_or_none(asked, predictions, scores, threshold=-2.75)
    # a is answered in part; b and c are taken for unanswerable, d is answered with nothing.
    assert figures == approx(
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
    figures = score_answers_or_none(asked, {"a": "x", "b": ""}, {"a": 2.0, "b": 1.0}, 0.0)
    assert (figures["exact"], figures["best_exact"], figures["best_exact_thresh"]) == (50, 100, 2)


def test_answers_without_a_word_mean_none():
    figures = score_answers_or_none(questions(a=["the"]), {"a": "!"}, {"a": 0.0}, 1.0)
    assert (figures["exact"], figures["f1"]) == (100.0, 100.0)
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
    figures = score_answers_or_none(asked, predictions, scores, 0.0)
    assert figures["best_exact"] == pytest.approx(max(tried))
