"""Question-answering tasks: the built-in ones, and reading SQuAD's JSON, MRQA's JSON lines and rows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.metrics.question_answering import SPAN_METRICS, UNANSWERABLE_METRICS
from lvbert_tf.finetuning.task_examples import Question, RowLocation
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
from lvbert_tf.finetuning.tasks.task import DEFAULT_EPOCHS, DEFAULT_LENGTHS, Role, Task, TaskSplit
from lvbert_tf.finetuning.tasks.tfds_rows import TfdsDataset, same_splits


@dataclass(frozen=True)
class SpanTask:
    """A built-in question-answering task, whose files are {train,dev}.json or .jsonl.

    Args:
      file_format: SQuAD's JSON, or MRQA's JSON lines.
      tfds: where the task is in TFDS.
      unanswerable: whether a context may hold no answer.
    """

    file_format: Literal["squad", "mrqa"]
    tfds: TfdsDataset
    unanswerable: bool = False

    def from_files(self, name: str, folder: Path) -> Task:
        """The task with its files in a folder. Opens nothing."""
        mrqa = self.file_format == "mrqa"

        def split(role: Role) -> TaskSplit:
            path = folder / f"{role}{'.jsonl' if mrqa else '.json'}"
            rules = QuestionRules(self.unanswerable, role)
            return TaskSplit(
                role, str(path), partial(read_mrqa if mrqa else read_squad, path, rules)
            )

        return self._task(name, split)

    def from_tfds(self, name: str) -> Task:
        """The task with its splits in TFDS. Opens nothing."""

        def split(role: Role) -> TaskSplit:
            return TaskSplit(role, self.tfds.location(role), partial(self._read_dataset, role))

        return self._task(name, split)

    def _task(self, name: str, split: Callable[[Role], TaskSplit]) -> Task:
        metrics = UNANSWERABLE_METRICS if self.unanswerable else SPAN_METRICS
        return Task(
            name=name,
            kind="span",
            splits={"train": split("train"), "dev": split("dev")},
            # MRQA ranks by F1; ELECTRA publishes exact matches on SQuAD.
            metrics=metrics[::-1] if self.file_format == "mrqa" else metrics,
            unanswerable=self.unanswerable,
            num_train_epochs=DEFAULT_EPOCHS["span"],
            max_seq_length=DEFAULT_LENGTHS["span"],
        )

    def _read_dataset(self, role: Role, bad_rows: BadRows) -> Iterator[Question]:
        read = read_mrqa_rows if self.file_format == "mrqa" else read_question_rows
        rules = QuestionRules(self.unanswerable, role)
        return read(self.tfds.read(role, bad_rows), rules, bad_rows)


def _squad(version: str, **further_columns: str) -> TfdsDataset:
    columns = {"id": "id", "question": "question", "context": "context"}
    answers = {"answer": "answers.text", "answer_start": "answers.answer_start"}
    splits = same_splits(f"squad/{version}", train="train", dev="validation")
    return TfdsDataset(splits, {**columns, **answers, **further_columns})


def _mrqa(config: str) -> TfdsDataset:
    columns = {"id": "qid", "question": "question", "context": "context", "answer": "answers"}
    detected = {
        "detected": "detected_answers.text",
        "first": "detected_answers.char_spans.start",
        "last": "detected_answers.char_spans.end",
    }
    splits = same_splits(f"mrqa/{config}", train="train", dev="validation")
    return TfdsDataset(splits, {**columns, **detected})


SPAN_TASKS: dict[str, SpanTask] = {
    "squad": SpanTask("squad", _squad("v2.0", impossible="is_impossible"), unanswerable=True),
    "squadv1": SpanTask("squad", _squad("v1.1")),
    "newsqa": SpanTask("mrqa", _mrqa("news_qa")),
    "naturalqs": SpanTask("mrqa", _mrqa("natural_questions")),
    "triviaqa": SpanTask("mrqa", _mrqa("trivia_qa")),
    "searchqa": SpanTask("mrqa", _mrqa("search_qa")),
}


def read_squad(path: Path, rules: QuestionRules, bad_rows: BadRows) -> Iterator[Question]:
    """Yields the questions of a file in the format of SQuAD 1.1 or 2.0, also compressed.

    Raises:
      InputError: the file has another format; or a question is bad (see `Questions.make`), unless
        `bad_rows` skips it.
    """
    questions = Questions(rules, bad_rows)
    for location, context, item in _squad_items(path, bad_rows):
        with bad_rows.at(location):
            asked = (member(item, "id", object), member(item, "question", str), context)
            if rules.role == "test":
                yield from questions.make(location, asked)
                continue
            impossible, marked = _answers(item)
            texts = [member(answer, "text", str) for answer in marked]
            yield from questions.make(location, asked, texts, marked, find_at_start, impossible)


def read_mrqa(path: Path, rules: QuestionRules, bad_rows: BadRows) -> Iterator[Question]:
    """Yields the questions of a file in the format of the MRQA 2019 shared task, also compressed.

    Raises:
      InputError: a line or a question is bad (see `Questions.make`), unless `bad_rows` skips it.
    """
    questions = Questions(rules, bad_rows)
    # An evaluation does not need the places of answers.
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
    rows: Iterable[tuple[RowLocation, Row]], rules: QuestionRules, bad_rows: BadRows
) -> Iterator[Question]:
    """Makes questions of rows with the fields question and context, and perhaps others.

    The others are id, answer, answer_start and impossible. answer and answer_start hold one value, or
    lists of the same length. Where impossible is missing or blank, an answer that is blank, null or an
    empty list means that the context holds none. Without an id, the place of the row is the id.

    Raises:
      InputError: a question is bad (see `Questions.make`), unless `bad_rows` skips it.
    """
    questions = Questions(rules, bad_rows)
    for location, row in rows:
        with bad_rows.at(location):
            texts = _as_list(row.get("answer"))
            texts = [] if all(map(_is_blank, texts)) else texts
            starts = _as_list(row.get("answer_start")) if texts else []
            if len(starts) not in (0, len(texts)):
                raise RowError(f"{len(texts)} answers but {len(starts)} starts")
            marked = [
                {"text": text, "answer_start": _as_integer(start)}
                for text, start in zip(texts, starts, strict=False)
            ]
            asked = (row.get("id", location.place), row["question"], row["context"])
            impossible = flag(row.get("impossible"))
            yield from questions.make(location, asked, texts, marked, find_at_start, impossible)


def read_mrqa_rows(
    rows: Iterable[tuple[RowLocation, Row]], rules: QuestionRules, bad_rows: BadRows
) -> Iterator[Question]:
    """Makes questions of rows with what a file of MRQA has.

    The fields are id, question, context and answer (a list of texts); and for each detected answer its
    text in the list `detected`, and its places in `first` and `last` (lists of lists).

    Raises:
      InputError: a question is bad (see `Questions.make`), unless `bad_rows` skips it.
    """
    questions = Questions(rules, bad_rows)
    for location, row in rows:
        with bad_rows.at(location):
            marked = [
                {"text": text, "char_spans": [list(ends) for ends in zip(*places, strict=True)]}
                for text, *places in zip(row["detected"], row["first"], row["last"], strict=True)
            ]
            texts = (row["id"], row["question"], row["context"])
            yield from questions.make(
                location, texts, row["answer"], marked, find_at_character_spans
            )


def _squad_items(path: Path, bad_rows: BadRows) -> Iterator[tuple[RowLocation, str, Any]]:
    """Yields every question of a document as JSON, with its location and its context."""
    try:
        articles = member(parse_json(read_document(path)), "data", list)
    except RowError as error:
        raise InputError(f"{path}: {error}") from error
    for i, article in enumerate(articles):
        place = f"data[{i}]"
        with bad_rows.at(RowLocation(str(path), place)):
            for j, paragraph in enumerate(member(article, "paragraphs", list)):
                inner = f"{place}.paragraphs[{j}]"
                with bad_rows.at(RowLocation(str(path), inner)):
                    context = member(paragraph, "context", str)
                    for k, item in enumerate(member(paragraph, "qas", list)):
                        yield RowLocation(str(path), f"{inner}.qas[{k}]"), context, item


def _answers(item: Any) -> tuple[bool | None, list[Any]]:
    """Whether the file says that a question has no answer (None if it says nothing), and its answers.

    Raises:
      RowError: there is no list of answers, and the file does not say that there are none.
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
    """The integer that a text stands for; other values stay, so that a message can show them."""
    if not isinstance(value, str) or not value.strip().isdecimal():
        return value
    try:
        return int(value)
    except ValueError:  # more digits than Python converts
        return value


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
