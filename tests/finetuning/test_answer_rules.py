"""How an answer is compared with a right one: SQuAD's rule, CMRC's, and by characters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvbert_tf.finetuning.metrics.answer_rules import (
    ANSWER_RULES,
    mixed_segments,
    normalized_answer,
    word_f1,
)


def approx(metrics):
    return pytest.approx(metrics, rel=1e-12, abs=1e-12)


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
