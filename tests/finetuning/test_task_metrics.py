"""Figures against values computed by hand or published."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvbert_tf.finetuning.metrics import higher_is_better
from lvbert_tf.finetuning.metrics.answer_rules import (
    ANSWER_RULES,
    mixed_segments,
    normalized_answer,
    word_f1,
)
from lvbert_tf.finetuning.metrics.classification import CLASSIFICATION_METRICS, score_classes
from lvbert_tf.finetuning.metrics.question_answering import score_answers, score_answers_or_none
from lvbert_tf.finetuning.metrics.regression import REGRESSION_METRICS, score_numbers
from lvbert_tf.finetuning.metrics.tagging import score_entities, score_word_tags
from lvbert_tf.finetuning.task_examples import Question, RowLocation


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


# --- Answers


def questions(**answers) -> list[Question]:
    return [
        Question(key, "?", "", tuple(texts), (), not texts, RowLocation("dev.json", key))
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
    assert word_f1("b b c d", "b x b") == approx(4 / 7)
    assert word_f1("b", "b b") == approx(2 / 3)
    assert word_f1("the", "a") == word_f1("b", "c") == 0.0
    assert ANSWER_RULES["squad"].exact_match("The end.", "END") == 1.0


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


# --- Chinese and Japanese answers


class CmrcRule:
    """CMRC 2018's evaluation, written down from its description: character by character, and with the
    table of common runs instead of difflib. Words are those that blanks divide, and commas but for
    those of a number."""

    REMOVED = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")

    def kept(self, text):
        return [mark for mark in text.lower().strip() if mark not in self.REMOVED]

    def segments(self, text):
        found, word = [], ""
        kept = [*self.kept(text), " "]
        for mark, following in zip(kept, [*kept[1:], " "], strict=True):
            alone = 0x4E00 <= ord(mark) <= 0x9FA5 or (mark == "," and not following.isdigit())
            if alone or mark.isspace():
                found += [word] * bool(word)
                word = ""
            if alone:
                found.append(mark)
            elif not mark.isspace():
                word += mark
        return found

    def exact_match(self, answer, prediction):
        return float(self.kept(answer) == self.kept(prediction))

    def f1(self, answer, prediction):
        right, given = self.segments(answer), self.segments(prediction)
        longest = 0
        runs = {(0, 0): 0}
        for i, first in enumerate(right, 1):
            for j, second in enumerate(given, 1):
                runs[i, j] = 1 + runs.get((i - 1, j - 1), 0) if first == second else 0
                longest = max(longest, runs[i, j])
        if not longest:
            return 0.0
        precision, recall = longest / len(given), longest / len(right)
        return 2 * precision * recall / (precision + recall)


CHINESE = [
    ("《战国无双3》", "战国无双3", 1.0, 1.0),
    ("光荣和ω-force", "光荣和ω-force开发", 0.0, 8 / 10),
    ("1963年", "于1963年", 0.0, 4 / 5),
    ("1963年", "1963", 0.0, 2 / 3),
    ("NBA 总冠军", "nba总冠军", 0.0, 1.0),  # the blank counts in an exact match
    ("NBA总冠军", "NBA 的总冠军", 0.0, 2 * 3 / 9),
    ("北京大学", "北大", 0.0, 1 / 3),  # a run of one, although both have two in this order
    ("范廷颂", "范廷颂枢机", 0.0, 6 / 8),
    ("范廷颂。", "“范廷颂”", 1.0, 1.0),
    ("上海、北京", "上海北京", 1.0, 1.0),
    ("（约）100,000人", "100,000人", 0.0, 2 * 2 / 5),
    ("100,000人", "100000人", 0.0, 1 / 2),
    ("new york, 纽约", "New York 纽约", 0.0, 4 / 9),
    ("的……", "的", 0.0, 2 / 3),  # the ellipsis is not removed
    ("中国", "美国", 0.0, 1 / 2),
    ("中国", "日本", 0.0, 0.0),
    ("中国", "", 0.0, 0.0),
    ("。", "！", 1.0, 0.0),
    ("中中国", "中国", 0.0, 4 / 5),
    ("龥", "龦", 0.0, 0.0),
    ("龦龦", "龦", 0.0, 0.0),  # beyond U+9FA5: a word
    # Japanese: syllables between Chinese characters are words.
    ("東京タワー", "東京", 0.0, 4 / 5),
    ("トヨタ自動車", "トヨタ", 0.0, 2 / 5),
    ("トヨタ", "トヨ", 0.0, 0.0),
    ("「千と千尋の神隠し」", "千と千尋の神隠し", 1.0, 1.0),
    ("千と千尋の神隠し", "千尋の神隠し", 0.0, 2 * 6 / 14),
    ("ドラえもん", "ドラえもん。", 1.0, 1.0),
    ("1868年、明治", "明治", 0.0, 4 / 6),
    ("夏目 漱石", "夏目漱石", 0.0, 1.0),
    ("ＮＨＫ", "ｎｈｋ", 1.0, 1.0),
]
CHARACTERS = [
    ("トヨタ自動車", "トヨタ", 0.0, 6 / 9),
    ("トヨタ", "トヨ", 0.0, 4 / 5),
    ("東京タワー", "東京", 0.0, 4 / 7),
    ("夏目 漱石", "夏目漱石", 0.0, 1.0),
    ("「ドラえもん」", "ドラえもん", 1.0, 1.0),
    ("서울 특별시", "서울", 0.0, 4 / 7),
    ("", "あ", 0.0, 0.0),
]


@pytest.mark.parametrize(("answer", "prediction", "match", "f1"), CHINESE)
def test_the_rule_of_cmrc(answer, prediction, match, f1):
    for rule in (CmrcRule(), ANSWER_RULES["cmrc"]):
        assert rule.exact_match(answer, prediction) == match
        assert rule.f1(answer, prediction) == rule.f1(prediction, answer) == approx(f1)


_MARKS = st.text("中国北京大学的東京のトヨター0123 abN,，。、《》“”「」-·…\u3000", max_size=12)


@settings(max_examples=300)
@given(answer=_MARKS, prediction=_MARKS)
def test_any_text_is_scored_as_by_the_rule_of_cmrc(answer, prediction):
    ours, theirs = ANSWER_RULES["cmrc"], CmrcRule()
    assert ours.exact_match(answer, prediction) == theirs.exact_match(answer, prediction)
    assert ours.f1(answer, prediction) == approx(theirs.f1(answer, prediction))


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("在 (1,000.5) 米", ["在", "(", "1,000.5", ")", "米"]),
        ("3.5%, u.s.人", ["3.5", "%", ",", "u.s", ".", "人"]),
        ("it's don't b...", ["it", "'s", "do", "n't", "b", "..."]),
        ("c++ $5 a_b", ["c", "$", "5", "ab"]),
    ],
)
def test_words_between_chinese_characters(text, segments):
    """As NLTK 3.9 divides them, by which CMRC's script does."""
    assert mixed_segments(text) == segments


@pytest.mark.parametrize(("answer", "prediction", "match", "f1"), CHARACTERS)
def test_characters_one_by_one(answer, prediction, match, f1):
    rule = ANSWER_RULES["characters"]
    assert rule.exact_match(answer, prediction) == match
    assert rule.f1(answer, prediction) == approx(f1)


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
