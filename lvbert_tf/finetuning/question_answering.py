"""Questions on a context: SQuAD's JSON, MRQA's JSON lines, and rows of a user's own."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.bad_rows import BadRows, RowError, shown
from lvbert_tf.finetuning.examples import Question, Source, Span
from lvbert_tf.finetuning.lines import checked_text, read_document
from lvbert_tf.finetuning.metrics.question_answering import (
    SPAN_METRICS,
    UNANSWERABLE_METRICS,
    normalized_answer,
)
from lvbert_tf.finetuning.rows import Row, parse_json, read_json_objects
from lvbert_tf.finetuning.task import Role, Split, Task

_SQUAD_TASKS = ("squad", "squadv1")
_MRQA_TASKS = ("newsqa", "naturalqs", "triviaqa", "searchqa")
SPAN_TASKS = _SQUAD_TASKS + _MRQA_TASKS


def span_task(name: str, folder: Path) -> Task:
    """The built-in question-answering task of a name, with its files {train,dev}.json(l) in a folder."""
    mrqa, unanswerable = name in _MRQA_TASKS, name == "squad"
    read, suffix = (read_mrqa, ".jsonl") if mrqa else (read_squad, ".json")
    # MRQA is ranked by F1; ELECTRA's published figures on SQuAD are exact matches.
    metrics = UNANSWERABLE_METRICS if unanswerable else SPAN_METRICS

    def split(role: Role) -> Split:
        path = folder / f"{role}{suffix}"
        return Split(role, str(path), partial(read, path, QuestionRules(unanswerable, role)))

    return Task(
        name=name,
        kind="span",
        splits={"train": split("train"), "dev": split("dev")},
        metrics=metrics[::-1] if mrqa else metrics,
        unanswerable=unanswerable,
        num_train_epochs=2.0,
        max_seq_length=512,
    )


@dataclass(frozen=True)
class QuestionRules:
    """What the questions of a file must be.

    Args:
      unanswerable: whether a context may hold no answer.
      role: of the split. For training an answer's place must be known, for evaluation its text.
    """

    unanswerable: bool
    role: Role


def read_squad(path: Path, rules: QuestionRules, bad_rows: BadRows) -> Iterator[Question]:
    """Yields the questions of a file in the format of SQuAD 1.1 or 2.0, also compressed.

    Raises:
      InputError: it is no such file; or a question is bad (see `_Questions.make`), unless `bad_rows`
        skips it.
    """
    questions = _Questions(rules, bad_rows)
    for source, context, item in _squad_items(path, bad_rows):
        with bad_rows.at(source):
            marked = _member(item, "answers", list, [])
            texts = [_member(answer, "text", str) for answer in marked]
            yield from questions.make(
                source,
                (_member(item, "id", str), _member(item, "question", str), context),
                texts,
                marked,
                _find_at_start,
                _member(item, "is_impossible", bool, rules.unanswerable and not marked),
            )


def read_mrqa(path: Path, rules: QuestionRules, bad_rows: BadRows) -> Iterator[Question]:
    """Yields the questions of a file in the format of the MRQA 2019 shared task, also compressed.

    Raises:
      InputError: a line or a question is bad (see `_Questions.make`), unless `bad_rows` skips it.
    """
    questions = _Questions(rules, bad_rows)
    for line, record in read_json_objects(path, bad_rows):
        if "header" in record:
            continue
        with bad_rows.at(line):
            context = _member(record, "context", str)
            for item in _member(record, "qas", list):
                with bad_rows.at(line):
                    yield from questions.make(
                        line,
                        (_member(item, "qid", str), _member(item, "question", str), context),
                        _member(item, "answers", list),
                        _member(item, "detected_answers", list, []),
                        _find_at_character_spans,
                    )


def read_question_rows(
    rows: Iterable[tuple[Source, Row]], rules: QuestionRules, bad_rows: BadRows
) -> Iterator[Question]:
    """Makes questions of rows with the roles question, context and, where there are any, id, answer,
    answer_start and impossible; answer and answer_start hold one value or lists of the same length.

    Without the role impossible an empty answer, or an empty list, says that the context holds none.
    Without an id it is the place of the row.

    Raises:
      InputError: a question is bad (see `_Questions.make`), unless `bad_rows` skips it.
    """
    questions = _Questions(rules, bad_rows)
    for source, row in rows:
        with bad_rows.at(source):
            texts = [text for text in _as_list(row.get("answer")) if text != ""]
            starts = _as_list(row.get("answer_start")) if texts else []
            if len(starts) not in (0, len(texts)):
                raise RowError(f"{len(texts)} answers but {len(starts)} starts")
            marked = [
                {"text": text, "answer_start": _as_integer(start)}
                for text, start in zip(texts, starts, strict=False)
            ]
            key = str(row["id"]) if "id" in row else str(source.place)
            without_answer = rules.unanswerable and "answer" in row and not texts
            yield from questions.make(
                source,
                (key, row["question"], row["context"]),
                texts,
                marked,
                _find_at_start,
                row.get("impossible", without_answer),
            )


def read_mrqa_rows(
    rows: Iterable[tuple[Source, Row]], rules: QuestionRules, bad_rows: BadRows
) -> Iterator[Question]:
    """Makes questions of rows with what a file of MRQA has: the roles id, question, context, answer (a
    list), and of every detected answer its text, detected, and its places, first and last (lists).

    Raises:
      InputError: a question is bad (see `_Questions.make`), unless `bad_rows` skips it.
    """
    questions = _Questions(rules, bad_rows)
    for source, row in rows:
        with bad_rows.at(source):
            marked = [
                {"text": text, "char_spans": [list(ends) for ends in zip(*places, strict=True)]}
                for text, *places in zip(row["detected"], row["first"], row["last"], strict=True)
            ]
            texts = (row["id"], row["question"], row["context"])
            yield from questions.make(
                source, texts, row["answer"], marked, _find_at_character_spans
            )


@dataclass
class _Questions:
    """Makes the questions of one file."""

    rules: QuestionRules
    bad_rows: BadRows
    ids: set[str] = field(default_factory=set)

    def make(
        self,
        source: Source,
        texts: tuple[Any, Any, Any],
        answers: Sequence[Any],
        marked: Sequence[Any],
        find: Callable[[str, Any], Iterator[Span]],
        impossible: bool = False,
    ) -> Iterator[Question]:
        """Yields the question, unless nothing can be learned from it.

        An answer that is not at its place is a bad row of its own: where bad rows are skipped it is
        not trained on, but still counts as right in an evaluation.

        Args:
          texts: id, question and context.
          answers: the texts that count as right.
          marked: answers with their places, which `find(context, one of them)` yields.

        Raises:
          RowError: something is no text, the id was there before, there is no answer, or one where
            there must be none.
          InputError: an answer is not at its place and bad rows are not skipped.
        """
        key, question, context = map(checked_text, texts, ("id", "question", "context"))
        if key in self.ids:
            raise RowError(f"id {shown(key)} is there twice")
        if impossible and not self.rules.unanswerable:
            raise RowError("the context has no answer, but the task has no such questions")
        if impossible and answers:
            raise RowError("is_impossible, yet it has answers")
        if self.rules.role != "test" and not answers and not impossible:
            raise RowError("no answer")
        answers = tuple(checked_text(answer, "answer") for answer in answers)
        spans: list[Span] = []
        for place in marked:
            with self.bad_rows.at(source):
                spans.extend(find(context, place))
        if self.rules.role == "train" and not spans and not impossible:
            if marked:  # each of them was counted
                return
            raise RowError("no answer has a place in the context")
        self.ids.add(key)
        yield Question(key, question, context, answers, tuple(spans), impossible, source)


def _squad_items(path: Path, bad_rows: BadRows) -> Iterator[tuple[Source, str, Any]]:
    """Yields every question of a document as JSON, with its context."""
    try:
        articles = _member(parse_json(read_document(path)), "data", list)
    except RowError as error:
        raise InputError(f"{path}: {error}") from error
    for i, article in enumerate(articles):
        place = f"data[{i}]"
        with bad_rows.at(Source(str(path), place)):
            for j, paragraph in enumerate(_member(article, "paragraphs", list)):
                inner = f"{place}.paragraphs[{j}]"
                with bad_rows.at(Source(str(path), inner)):
                    context = _member(paragraph, "context", str)
                    for k, item in enumerate(_member(paragraph, "qas", list)):
                        yield Source(str(path), f"{inner}.qas[{k}]"), context, item


def _find_at_start(context: str, answer: Any) -> Iterator[Span]:
    """SQuAD: the answer's text begins at the character `answer_start`."""
    text, start = _member(answer, "text", str), _member(answer, "answer_start", int)
    end = start + len(text)
    if start < 0 or not text or context[start:end] != text:
        there = context[start:end] if start >= 0 else ""
        raise RowError(f"the answer {shown(text)} is not at {start}, where {shown(there)} stands")
    yield Span(start, end)


def _find_at_character_spans(context: str, answer: Any) -> Iterator[Span]:
    """MRQA: `char_spans` are first and last character; the text may be a normalized one."""
    text = _member(answer, "text", str)
    for span in _member(answer, "char_spans", list):
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


_JSON_NAMES = {list: "list", str: "text", bool: "true or false", int: "integer"}
_REQUIRED = object()


def _member(record: Any, name: str, kind: type, default: Any = _REQUIRED) -> Any:
    """`record[name]`, which must be of a kind; `default`, if there is one, where it is missing."""
    if isinstance(record, dict) and name not in record and default is not _REQUIRED:
        return default
    if not isinstance(record, dict) or type(record.get(name)) is not kind:
        found = shown(record.get(name)) if isinstance(record, dict) else shown(record)
        raise RowError(f"{name} must be {_JSON_NAMES[kind]}: {found}")
    return record[name]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _as_integer(value: Any) -> Any:
    """A number of a text file; anything else stays, to be refused by name."""
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value
