"""Questions on a context: SQuAD's JSON, MRQA's JSON lines, and rows of a user's own."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.examples import Question, Source
from lvbert_tf.finetuning.metrics.question_answering import SPAN_METRICS, UNANSWERABLE_METRICS
from lvbert_tf.finetuning.tasks.bad_rows import BadRows, RowError
from lvbert_tf.finetuning.tasks.lines import read_document
from lvbert_tf.finetuning.tasks.questions import (
    QuestionRules,
    Questions,
    find_at_character_spans,
    find_at_start,
    flag,
    member,
)
from lvbert_tf.finetuning.tasks.rows import Row, parse_json, read_json_objects
from lvbert_tf.finetuning.tasks.task import Role, Split, Task

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


def read_squad(path: Path, rules: QuestionRules, bad_rows: BadRows) -> Iterator[Question]:
    """Yields the questions of a file in the format of SQuAD 1.1 or 2.0, also compressed.

    Raises:
      InputError: it is no such file; or a question is bad (see `Questions.make`), unless `bad_rows`
        skips it.
    """
    questions = Questions(rules, bad_rows)
    for source, context, item in _squad_items(path, bad_rows):
        with bad_rows.at(source):
            asked = (member(item, "id", object), member(item, "question", str), context)
            if rules.role == "test":
                yield from questions.make(source, asked)
                continue
            impossible, marked = _answers(item)
            texts = [member(answer, "text", str) for answer in marked]
            yield from questions.make(source, asked, texts, marked, find_at_start, impossible)


def read_mrqa(path: Path, rules: QuestionRules, bad_rows: BadRows) -> Iterator[Question]:
    """Yields the questions of a file in the format of the MRQA 2019 shared task, also compressed.

    Raises:
      InputError: a line or a question is bad (see `Questions.make`), unless `bad_rows` skips it.
    """
    questions = Questions(rules, bad_rows)
    # An evaluation needs no places of answers.
    places: dict[str, Any] = {} if rules.role == "train" else {"default": []}
    for line, record in read_json_objects(path, bad_rows):
        if "header" in record:
            continue
        with bad_rows.at(line):
            context = member(record, "context", str)
            for item in member(record, "qas", list):
                with bad_rows.at(line):
                    asked = (member(item, "qid", object), member(item, "question", str), context)
                    if rules.role == "test":
                        yield from questions.make(line, asked)
                        continue
                    impossible, texts = _answers(item)
                    marked = member(item, "detected_answers", list, **places) if texts else []
                    yield from questions.make(
                        line, asked, texts, marked, find_at_character_spans, impossible
                    )


def read_question_rows(
    rows: Iterable[tuple[Source, Row]], rules: QuestionRules, bad_rows: BadRows
) -> Iterator[Question]:
    """Makes questions of rows with the roles question, context and, where there are any, id, answer,
    answer_start and impossible; answer and answer_start hold one value or lists of the same length.

    Where the role impossible says nothing, an answer that is blank, null or an empty list says that
    the context holds none. Without an id it is the place of the row.

    Raises:
      InputError: a question is bad (see `Questions.make`), unless `bad_rows` skips it.
    """
    questions = Questions(rules, bad_rows)
    for source, row in rows:
        with bad_rows.at(source):
            texts = _as_list(row.get("answer"))
            texts = [] if all(map(_is_blank, texts)) else texts
            starts = _as_list(row.get("answer_start")) if texts else []
            if len(starts) not in (0, len(texts)):
                raise RowError(f"{len(texts)} answers but {len(starts)} starts")
            marked = [
                {"text": text, "answer_start": _as_integer(start)}
                for text, start in zip(texts, starts, strict=False)
            ]
            asked = (row.get("id", source.place), row["question"], row["context"])
            impossible = flag(row.get("impossible"))
            yield from questions.make(source, asked, texts, marked, find_at_start, impossible)


def read_mrqa_rows(
    rows: Iterable[tuple[Source, Row]], rules: QuestionRules, bad_rows: BadRows
) -> Iterator[Question]:
    """Makes questions of rows with what a file of MRQA has: the roles id, question, context, answer (a
    list), and of every detected answer its text, detected, and its places, first and last (lists).

    Raises:
      InputError: a question is bad (see `Questions.make`), unless `bad_rows` skips it.
    """
    questions = Questions(rules, bad_rows)
    for source, row in rows:
        with bad_rows.at(source):
            marked = [
                {"text": text, "char_spans": [list(ends) for ends in zip(*places, strict=True)]}
                for text, *places in zip(row["detected"], row["first"], row["last"], strict=True)
            ]
            texts = (row["id"], row["question"], row["context"])
            yield from questions.make(source, texts, row["answer"], marked, find_at_character_spans)


def _squad_items(path: Path, bad_rows: BadRows) -> Iterator[tuple[Source, str, Any]]:
    """Yields every question of a document as JSON, with its context."""
    try:
        articles = member(parse_json(read_document(path)), "data", list)
    except RowError as error:
        raise InputError(f"{path}: {error}") from error
    for i, article in enumerate(articles):
        place = f"data[{i}]"
        with bad_rows.at(Source(str(path), place)):
            for j, paragraph in enumerate(member(article, "paragraphs", list)):
                inner = f"{place}.paragraphs[{j}]"
                with bad_rows.at(Source(str(path), inner)):
                    context = member(paragraph, "context", str)
                    for k, item in enumerate(member(paragraph, "qas", list)):
                        yield Source(str(path), f"{inner}.qas[{k}]"), context, item


def _answers(item: Any) -> tuple[bool | None, list[Any]]:
    """Whether an item is said to have no answer, if anything is said of it, and its answers.

    Raises:
      RowError: there is no list of answers, although nothing says that there are none.
    """
    impossible = flag(item.get("is_impossible"))
    if impossible and item.get("answers") is None:
        return impossible, []
    return impossible, member(item, "answers", list)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _as_integer(value: Any) -> Any:
    """A number of a text file; anything else stays, to be refused by name."""
    if not isinstance(value, str) or not value.strip().isdecimal():
        return value
    try:
        return int(value)
    except ValueError:  # more digits than Python converts
        return value


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
