"""Metrics of classes, numbers and tags against values computed by hand or published."""

import math

import pytest

from lvbert_tf.finetuning.metrics import higher_is_better
from lvbert_tf.finetuning.metrics.classification import CLASSIFICATION_METRICS, score_classes
from lvbert_tf.finetuning.metrics.regression import REGRESSION_METRICS, score_numbers
from lvbert_tf.finetuning.metrics.tagging import score_entities, score_word_tags


def approx(metrics):
    return pytest.approx(metrics, rel=1e-12, abs=1e-12)


# --- Classes


def test_classes():
    # 3 true positives, 1 false positive, 2 false negatives, 4 true negatives.
    references = [1, 1, 1, 0, 1, 1, 0, 0, 0, 0]
    predictions = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    names = ("accuracy", "f1", "mcc", "macro_f1")
    metrics = score_classes(references, predictions, names)
    positive, negative = 6 / 9, 8 / 11
    assert list(metrics) == list(names)
    assert metrics == approx(
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
    metrics = score_classes([0, 1, 2, 2], [0, 2, 2, 2], ("accuracy", "macro_f1"))
    assert metrics == approx({"accuracy": 75.0, "macro_f1": 100 * (1 + 0 + 0.8) / 3})


@pytest.mark.parametrize("predictions", [[], [0, 1, 1], [[0, 1]]])
def test_classes_and_predictions_must_agree_in_number(predictions):
    with pytest.raises(ValueError, match="2 references but"):
        score_classes([0, 1], predictions, ("accuracy",))


# --- Numbers


def test_numbers():
    # Deviations (-1.5 -.5 .5 1.5) and (-2 -1 0 3), ranks alike but for none: Spearman is 1.
    metrics = score_numbers([1, 2, 3, 4], [1, 2, 3, 6], ("spearman", "pearson", "mse"))
    pearson = (3 + 0.5 + 0 + 4.5) / math.sqrt(5 * 14)
    assert metrics == approx({"spearman": 100.0, "pearson": 100 * pearson, "mse": 1.0})


def test_ties_share_their_rank():
    # Ranks 1 2 3 and 1.5 1.5 3: covariance 1.5 over the root of 2 x 1.5.
    metrics = score_numbers([1, 2, 3], [0, 0, 9], ("spearman",))
    assert metrics == approx({"spearman": 100 * 1.5 / math.sqrt(3)})


def test_constant_predictions_have_no_correlation():
    metrics = score_numbers([1, 2], [3, 3], ("pearson", "spearman", "mse"))
    assert metrics == {"pearson": 0.0, "spearman": 0.0, "mse": 2.5}


@pytest.mark.parametrize("references", [[2.0], [2.0, 2.0]])
@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_labels_that_do_not_differ_correlate_with_nothing(recwarn, references, apart):
    """Whatever a model predicts, as for SciPy; a dev set of one row is such a one."""
    predictions = [5.0 + apart * row for row in range(len(references))]
    metrics = score_numbers(references, predictions, REGRESSION_METRICS)
    assert math.isnan(metrics["pearson"]) and math.isnan(metrics["spearman"])
    assert metrics["mse"] == approx(sum((p - 2) ** 2 for p in predictions) / len(predictions))
    assert not recwarn.list


@pytest.mark.parametrize(("references", "predictions"), [([], []), ([1], [1, 2])])
def test_numbers_and_predictions_must_agree_in_number(references, predictions):
    with pytest.raises(ValueError, match="references but"):
        score_numbers(references, predictions, ("mse",))


@pytest.mark.parametrize("prediction", [math.nan, math.inf])
def test_a_diverged_model_is_told(prediction):
    with pytest.raises(ValueError, match="not finite"):
        score_numbers([1, 2], [1, prediction], ("pearson",))


def test_the_better_metric():
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
    metrics = score_entities(references, predictions, ("precision", "recall"))
    assert metrics == approx({"precision": 100.0, "recall": 100 / 3})
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
