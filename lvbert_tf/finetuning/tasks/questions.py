"""Making questions from the values of a file: checking them, and finding answers in the context."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lvbert_tf.finetuning.metrics.answer_rules import normalized_answer
from lvbert_tf.finetuning.task_examples import Question, RowLocation, Span
from lvbert_tf.finetuning.tasks.bad_rows import BadRows, RowError, shown
from lvbert_tf.finetuning.tasks.lines import checked_text
from lvbert_tf.finetuning.tasks.task import Role

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class QuestionRules:
    """What is required of the questions of a file.

    Args:
      unanswerable: whether a context may hold no answer.
      role: the role of the split. Training needs the place of an answer, and evaluation its text; in a
        test file, answers are not read.
    """

    unanswerable: bool
    role: Role


def find_at_start(context: str, answer: Any) -> Iterator[Span]:
    """Yields the span of an answer of SQuAD, whose text begins at the character `answer_start`."""
    text, start = member(answer, "text", str), member(answer, "answer_start", int)
    end = start + len(text)
    if start < 0 or not text or context[start:end] != text:
        there = context[start:end] if start >= 0 else ""
        raise RowError(f"the answer {shown(text)} is not at {start}, where {shown(there)} stands")
    yield Span(start, end)


def find_at_character_spans(context: str, answer: Any) -> Iterator[Span]:
    """Yields the spans of an answer of MRQA: `char_spans` has first and last characters.

    The answer's text may be normalized.
    """
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
        location: RowLocation,
        texts: tuple[Any, Any, Any],
        answers: Sequence[Any] = (),
        marked: Sequence[Any] = (),
        find: Callable[[str, Any], Iterator[Span]] = find_at_start,
        impossible: bool | None = None,
    ) -> Iterator[Question]:
        """Yields the question, unless nothing can be learned from it.

        An answer that is not at its place counts as a bad row. Where bad rows are skipped, training
        leaves the answer out, but it still counts as right in an evaluation.

        Args:
          location: where the question is, for messages.
          texts: the id (text or an integer, which becomes text), the question and the context.
          answers: the texts that count as right.
          marked: answers with their places in the context.
          find: called with the context and one of `marked`; yields its spans.
          impossible: whether the file says that the context holds no answer. None: the file says
            nothing, and the context holds none if the task has such questions and there are no answers.

        Raises:
          RowError: a value is not text, the id is empty or was there before, there is no answer, or
            there is one where there must be none.
          InputError: an answer is not at its place, and bad rows are not skipped.
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
            with self.bad_rows.at(location):
                spans.extend(find(context, place))
        if self.rules.role == "train" and not spans and not impossible:
            if self.bad_rows.count > bad_so_far:  # each of its answers was counted as a bad row
                return
            raise RowError("no answer has a place in the context")
        self.ids.add(key)
        yield Question(key, question, context, answers, tuple(spans), impossible, location)

    def _without_answer(self, answers: Sequence[Any], impossible: bool | None) -> bool:
        """Whether the context holds no answer.

        Raises:
          RowError: what the file says and the answers contradict each other or the task.
        """
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
    """The value `record[name]`, of a certain type.

    Args:
      record: a JSON object.
      name: the name of the value.
      kind: the type that the value must have; `object` allows any.
      default: returned if there is no such value; without a default it must be there.

    Raises:
      RowError: the record is not an object, or the value is missing or has another type.
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
    """Whether a context holds no answer, as a file says it; None if the value is blank.

    Raises:
      RowError: the value is not true, false, 1 or 0, also as text.
    """
    text = str(value).strip().lower() if isinstance(value, str | int) else value
    if text in (None, ""):
        return None
    if not isinstance(text, str) or text not in _FLAGS:
        raise RowError(f"is_impossible must be true or false, or 1 or 0: {shown(value)}")
    return _FLAGS[text]


def _id(value: Any) -> str:
    """The id as text. It is a key in prediction files, where 12 and "12" are the same."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise RowError(f"id must be text or an integer: {shown(value)}")
    if not value:
        raise RowError("id is empty")
    return checked_text(value, "id")
