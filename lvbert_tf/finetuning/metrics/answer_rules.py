"""When an answer is right, and in which part: the rules of official evaluation scripts."""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
# The punctuation that CMRC's script removes: of ASCII these alone, and no ellipsis.
_NO_CMRC_PUNCTUATION = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_CHINESE = re.compile(r"([\u4e00-\u9fa5])")
# What CMRC's script, by NLTK, cuts off words: brackets and signs, a comma that no digit follows, dots in
# a row or at the end, and English clitics.
_CUT_OFF = re.compile(
    r"""(\.{2,}|[][(){}<>;@#$%&?!"«»‘„‒–—―]|,(?!\d)|(?<!\.)\.(?=[])}>"']*\s*$)"""
    r"""|(?:n't|'(?:s|m|d|ll|re|ve))(?!\w))"""
)


@dataclass(frozen=True)
class AnswerRule:
    """How a predicted answer is compared with a right one.

    Args:
      normalized: what of a text counts; two answers match exactly if it is the same of both.
      f1: of the right answer and the predicted one, 0..1.
    """

    normalized: Callable[[str], str]
    f1: Callable[[str, str], float]

    def exact_match(self, answer: str, prediction: str) -> float:
        """1 if both are the same after normalization, else 0."""
        return float(self.normalized(answer) == self.normalized(prediction))


def normalized_answer(text: str) -> str:
    """SQuAD and MRQA: lower case, without ASCII punctuation and articles, words separated by single
    spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def word_f1(answer: str, prediction: str) -> float:
    """SQuAD and MRQA: the F1 of the words both have in common, counting repetitions; 0 if neither has a
    word."""
    expected, predicted = normalized_answer(answer).split(), normalized_answer(prediction).split()
    common = sum((Counter(expected) & Counter(predicted)).values())
    return 2 * common / (len(expected) + len(predicted)) if common else 0.0


def without_punctuation(text: str) -> str:
    """CMRC 2018: lower case, without the punctuation that its script lists."""
    return text.lower().strip().translate(_NO_CMRC_PUNCTUATION)


def mixed_segments(text: str) -> list[str]:
    """CMRC 2018: Chinese characters one by one, what is between them by words. Japanese syllables are
    no Chinese characters, so a run of them is a word."""
    pieces = _CHINESE.split(without_punctuation(text))
    return [segment for piece in pieces for segment in _CUT_OFF.sub(r" \1 ", piece).split()]


def characters(text: str) -> list[str]:
    """All characters one by one, but for blanks and the punctuation of CMRC."""
    return [character for word in without_punctuation(text).split() for character in word]


def run_f1(segments: Callable[[str], list[str]]) -> Callable[[str, str], float]:
    """CMRC 2018: the F1 of the longest run of segments that both texts have."""

    def f1(answer: str, prediction: str) -> float:
        expected, predicted = segments(answer), segments(prediction)
        run = SequenceMatcher(None, expected, predicted, autojunk=False).find_longest_match().size
        return 2 * run / (len(expected) + len(predicted)) if run else 0.0

    return f1


ANSWER_RULES: Mapping[str, AnswerRule] = {
    "squad": AnswerRule(normalized_answer, word_f1),
    "cmrc": AnswerRule(without_punctuation, run_f1(mixed_segments)),
    "characters": AnswerRule(without_punctuation, run_f1(characters)),
}
