"""When a predicted answer is right, wholly or in part: the rules of official evaluation scripts."""

import re
import string
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
# The punctuation that CMRC's script removes. It leaves other ASCII punctuation, and the ellipsis.
_NO_CMRC_PUNCTUATION = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_CHINESE = re.compile(r"([\u4e00-\u9fa5])")
# What CMRC's script, with NLTK, separates from words: brackets and signs, a comma without a digit after
# it, dots in a row or at the end, and English clitics.
_CUT_OFF = re.compile(
    r"""(\.{2,}|[][(){}<>;@#$%&?!"«»‘„‒–—―]|,(?!\d)|(?<!\.)\.(?=[])}>"']*\s*$)"""
    r"""|(?:n't|'(?:s|m|d|ll|re|ve))(?!\w))"""
)


@dataclass(frozen=True)
class AnswerRule:
    """How a predicted answer is compared with a right one.

    Args:
      normalized: the part of a text that counts; answers match exactly if theirs are equal.
      f1: the F1 of the right answer and the predicted one, 0..1.
    """

    normalized: Callable[[str], str]
    f1: Callable[[str, str], float]

    def exact_match(self, answer: str, prediction: str) -> float:
        """1 if both are equal after normalization, else 0."""
        return float(self.normalized(answer) == self.normalized(prediction))


def normalized_answer(text: str) -> str:
    """Normalizes as SQuAD and MRQA do: lower case, no ASCII punctuation, no articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def word_f1(answer: str, prediction: str) -> float:
    """The F1 of SQuAD and MRQA: of the words that both have, counting repetitions; 0 without a word."""
    expected, predicted = normalized_answer(answer).split(), normalized_answer(prediction).split()
    common = sum((Counter(expected) & Counter(predicted)).values())
    return 2 * common / (len(expected) + len(predicted)) if common else 0.0


def without_punctuation(text: str) -> str:
    """Normalizes as CMRC 2018 does: lower case, without the punctuation that its script lists."""
    return text.lower().strip().translate(_NO_CMRC_PUNCTUATION)


def mixed_segments(text: str) -> list[str]:
    """Divides a text as CMRC 2018 does: Chinese characters one by one, the rest into words.

    Japanese syllables are not Chinese characters, so a sequence of them is a word.
    """
    pieces = _CHINESE.split(without_punctuation(text))
    return [segment for piece in pieces for segment in _CUT_OFF.sub(r" \1 ", piece).split()]


def characters(text: str) -> list[str]:
    """All characters one by one, without blanks and the punctuation of CMRC."""
    return [character for word in without_punctuation(text).split() for character in word]


def run_f1(segments: Callable[[str], list[str]]) -> Callable[[str, str], float]:
    """Makes the F1 of CMRC 2018: that of the longest sequence of segments that both texts have."""

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
