"""Questions of a file from what its format holds: checked, their answers found in the context."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lvbert_tf.finetuning.examples import Question, Source, Span
from lvbert_tf.finetuning.metrics.answer_rules import normalized_answer
from lvbert_tf.finetuning.tasks.bad_rows import BadRows, RowError, shown
from lvbert_tf.finetuning.tasks.lines import checked_text
from lvbert_tf.finetuning.tasks.task import Role

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class QuestionRules:
    """What the questions of a file must be.

    Args:
      unanswerable: whether a context may hold no answer.
      role: of the split. For training an answer's place must be known, for evaluation its text; in
        a test file nothing that is said of answers is read.
    """

    unanswerable: bool
    role: Role


def find_at_start(context: str, answer: Any) -> Iterator[Span]:
    """SQuAD: the answer's text begins at the character `answer_start`."""
    text, start = member(answer, "text", str), member(answer, "answer_start", int)
    end = start + len(text)
    if start < 0 or not text or context[start:end] != text:
        there = context[start:end] if start >= 0 else ""
        raise RowError(f"the answer {shown(text)} is not at {start}, where {shown(there)} stands")
    yield Span(start, end)


def find_at_character_spans(context: str, answer: Any) -> Iterator[Span]:
    """MRQA: `char_spans` are first and last character; the text may be a normalized one."""
    text = member(answer, "text", str)
    for span in member(answer, "char_spans", list):
        match span:
            case [int(first), int(last)] if 0 <= first <= last < len(context):
                there = context[first : last + 1]
            case _:
                raise RowError(f"char_spans has {shown(span)}, which is no part of the context")
        if normalized_answer(there) != normalized_answer(text):
            raise RowError(
                f"the answer {shown(text)} is not at {first}..{last}, where {shown(there)} stands"
            )
        yield Span(first, last + 1)


@dataclass
class Questions:
    """Makes the questions of one file."""

    rules: QuestionRules
    bad_rows: BadRows
    ids: set[str] = field(default_factory=set)

    def make(
        self,
        source: Source,
        texts: tuple[Any, Any, Any],
        answers: Sequence[Any] = (),
        marked: Sequence[Any] = (),
        find: Callable[[str, Any], Iterator[Span]] = find_at_start,
        impossible: bool | None = None,
    ) -> Iterator[Question]:
        """Yields the question, unless nothing can be learned from it.

        An answer that is not at its place is a bad row of its own: where bad rows are skipped it is
        not trained on, but still counts as right in an evaluation.

        Args:
          texts: id (also an integer, which becomes text), question and context.
          answers: the texts that count as right.
          marked: answers with their places, which `find(context, one of them)` yields.
          impossible: whether the context is said to hold no answer; None: nothing is said of it, so
            it holds none if the task has such questions and there are no answers.

        Raises:
          RowError: something is no text, the id is empty or was there before, there is no answer, or
            one where there must be none.
          InputError: an answer is not at its place and bad rows are not skipped.
        """
        key, question, context = (
            _id(texts[0]),
            *map(checked_text, texts[1:], ("question", "context")),
        )
        if key in self.ids:
            raise RowError(f"id {shown(key)} is there twice")
        impossible = self.rules.role != "test" and self._without_answer(answers, impossible)
        answers = tuple(checked_text(answer, "answer") for answer in answers)
        spans: list[Span] = []
        bad_so_far = self.bad_rows.count
        for place in marked:
            with self.bad_rows.at(source):
                spans.extend(find(context, place))
        if self.rules.role == "train" and not spans and not impossible:
            if self.bad_rows.count > bad_so_far:  # each of its answers was counted
                return
            raise RowError("no answer has a place in the context")
        self.ids.add(key)
        yield Question(key, question, context, answers, tuple(spans), impossible, source)

    def _without_answer(self, answers: Sequence[Any], impossible: bool | None) -> bool:
        """Whether the context holds no answer; raises RowError where that and the answers disagree."""
        if impossible and not self.rules.unanswerable:
            raise RowError("the context has no answer, but the task has no such questions")
        if impossible and answers:
            raise RowError("is_impossible, yet it has answers")
        if not answers and not self.rules.unanswerable:
            raise RowError("no answer")
        if not answers and impossible is False:
            raise RowError("no answer, yet is_impossible is false")
        return not answers


_JSON_NAMES = {list: "list", str: "text", int: "integer"}
_REQUIRED = object()


def member(record: Any, name: str, kind: type, default: Any = _REQUIRED) -> Any:
    """`record[name]`, which must be of a kind (`object`: of any); `default`, if there is one, where it
    is missing.

    Raises:
      RowError: it is of another kind, or missing; then the names are listed that are there.
    """
    if not isinstance(record, dict):
        raise RowError(f"expected an object with {name}: {shown(record)}")
    if name not in record:
        if default is not _REQUIRED:
            return default
        raise RowError(f"{name} is missing; there is {', '.join(map(shown, record)) or 'nothing'}")
    if kind is not object and type(record[name]) is not kind:
        raise RowError(f"{name} must be {_JSON_NAMES[kind]}: {shown(record[name])}")
    return record[name]


def flag(value: Any) -> bool | None:
    """What a member or a column says of whether a context holds no answer; None if it is blank.

    Raises:
      RowError: it is neither true or false nor 1 or 0, be it as text.
    """
    text = str(value).strip().lower() if isinstance(value, str | int) else value
    if text in (None, ""):
        return None
    if not isinstance(text, str) or text not in _FLAGS:
        raise RowError(f"is_impossible must be true or false, or 1 or 0: {shown(value)}")
    return _FLAGS[text]


def _id(value: Any) -> str:
    """Prediction files are JSON objects, whose keys are text: 12 and "12" are the same id."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise RowError(f"id must be text or an integer: {shown(value)}")
    if not value:
        raise RowError("id is empty")
    return checked_text(value, "id")
