"""The built-in tasks from TensorFlow Datasets (TFDS) instead of files: where each one's rows are.

TFDS names classes where some of GLUE's files number them, and orders them in its own way, so they are
mapped by name. It stores the rows of GLUE shuffled, but with their place in the original file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.examples import Source
from lvbert_tf.finetuning.tasks.bad_rows import BadRows
from lvbert_tf.finetuning.tasks.question_answering import read_mrqa_rows, read_question_rows
from lvbert_tf.finetuning.tasks.questions import QuestionRules
from lvbert_tf.finetuning.tasks.rows import Row
from lvbert_tf.finetuning.tasks.tagging import read_tagged_rows
from lvbert_tf.finetuning.tasks.task import Example, Role, Split, Task
from lvbert_tf.finetuning.tasks.text_examples import read_text_examples
from lvbert_tf.finetuning.tasks.tfds_rows import read_tfds


@dataclass(frozen=True)
class _Dataset:
    """A task in TFDS.

    Args:
      splits: the task's split -> `NAME[/config]:split`.
      columns: role -> feature.
      classes: TFDS's name of a class -> the task's, where they differ.
    """

    splits: Mapping[str, str]
    columns: Mapping[str, str]
    classes: Mapping[str, str] = field(default_factory=dict)


def _splits(name: str, **names: str) -> dict[str, str]:
    names = names or {"train": "train", "dev": "validation"}
    return {split: f"{name}:{theirs}" for split, theirs in names.items()}


def _glue(
    config: str,
    texts: tuple[str, ...],
    classes: Mapping[str, str] | None = None,
    splits: Mapping[str, str] | None = None,
) -> _Dataset:
    name = f"glue/{config}"
    columns = dict(zip(("text", "text_pair"), texts, strict=False))
    return _Dataset(
        splits or _splits(name, train="train", dev="validation", test="test"),
        columns | {"label": "label", "index": "idx"},
        classes or {},
    )


def _squad(version: str, **further: str) -> _Dataset:
    columns = {"id": "id", "question": "question", "context": "context"}
    answers = {"answer": "answers.text", "answer_start": "answers.answer_start"}
    return _Dataset(_splits(f"squad/{version}"), columns | answers | further)


def _mrqa(config: str) -> _Dataset:
    columns = {"id": "qid", "question": "question", "context": "context", "answer": "answers"}
    detected = {
        "detected": "detected_answers.text",
        "first": "detected_answers.char_spans.start",
        "last": "detected_answers.char_spans.end",
    }
    return _Dataset(_splits(f"mrqa/{config}"), columns | detected)


_SENTENCES = ("sentence1", "sentence2")
_MNLI = _splits(
    "glue/mnli",
    train="train",
    dev_matched="validation_matched",
    dev_mismatched="validation_mismatched",
    test_matched="test_matched",
    test_mismatched="test_mismatched",
) | _splits("glue/ax", diagnostic="test")
# chunk is CoNLL-2000, which TFDS does not have; the chunks and parts of speech of its conll2003 are a
# tagger's, not people's.
_DATASETS: dict[str, _Dataset] = {
    "cola": _glue("cola", ("sentence",), {"unacceptable": "0", "acceptable": "1"}),
    "mrpc": _glue("mrpc", _SENTENCES, {"not_equivalent": "0", "equivalent": "1"}),
    "mnli": _glue("mnli", ("premise", "hypothesis"), splits=_MNLI),
    "sst": _glue("sst2", ("sentence",), {"negative": "0", "positive": "1"}),
    "qqp": _glue("qqp", ("question1", "question2"), {"not_duplicate": "0", "duplicate": "1"}),
    "rte": _glue("rte", _SENTENCES),
    "qnli": _glue("qnli", ("question", "sentence")),
    "sts": _glue("stsb", _SENTENCES),
    "wnli": _glue("wnli", _SENTENCES, {"not_entailment": "0", "entailment": "1"}),
    "squad": _squad("v2.0", impossible="is_impossible"),
    "squadv1": _squad("v1.1"),
    "newsqa": _mrqa("news_qa"),
    "naturalqs": _mrqa("natural_questions"),
    "triviaqa": _mrqa("trivia_qa"),
    "searchqa": _mrqa("search_qa"),
    "ner": _Dataset(
        _splits("conll2003", train="train", dev="dev", test="test"),
        {"words": "tokens", "tags": "ner"},
    ),
}
TFDS_TASKS = tuple(_DATASETS)


def tfds_task(task: Task) -> Task:
    """The built-in task with its splits in TFDS; all else stays. Opens nothing yet.

    Raises:
      InputError: TFDS does not have the task.
    """
    if task.name not in _DATASETS:
        raise InputError(
            f"{task.name}: TensorFlow Datasets has no such task, but {' | '.join(TFDS_TASKS)}; use"
            " data_source files, or a task.toml"
        )
    dataset = _DATASETS[task.name]

    def split(name: str, role: Role) -> Split:
        location = f"tfds:{dataset.splits[name]}"
        return Split(role, location, partial(_read, task, dataset, role, location))

    return replace(task, splits={name: split(name, old.role) for name, old in task.splits.items()})


def _read(
    task: Task, dataset: _Dataset, role: Role, location: str, bad_rows: BadRows
) -> Iterator[Example]:
    # GLUE keeps the labels of its tests to itself; TFDS fills in -1. No test's labels are used.
    hidden = {"label", "tags"} if role == "test" else set()
    columns = {name: column for name, column in dataset.columns.items() if name not in hidden}
    rows = read_tfds(location, columns, bad_rows)
    if task.tag_scheme is not None:
        # TFDS ends every split of conll2003 with a sentence of no words.
        sentences = ((source, row) for source, row in rows if row["words"])
        yield from read_tagged_rows(sentences, task.tag_scheme, bad_rows)
    elif task.kind == "span":
        read = read_mrqa_rows if "detected" in columns else read_question_rows
        yield from read(rows, QuestionRules(task.unanswerable, role), bad_rows)
    else:
        parse_label = task.classes or task.label_range
        assert parse_label is not None

        def parse_name(value: Any) -> int | float:
            return parse_label(dataset.classes.get(value, value))

        in_order = _in_order(rows, role, location)
        yield from read_text_examples(in_order, parse_name, bad_rows)


def _in_order(
    rows: Iterator[tuple[Source, Row]], role: Role, location: str
) -> list[tuple[Source, Row]]:
    """The rows in the order of the original file, with their place in it.

    Raises:
      InputError: a test row is missing or there twice, so that predictions would be numbered wrongly.
    """
    in_order = sorted((row for _, row in rows), key=lambda row: row["index"])
    places = [row["index"] for row in in_order]
    if role == "test" and places != list(range(len(places))):
        raise InputError(
            f"{location}: its {len(places)} idx are not 0..{len(places) - 1}, so predictions would"
            " be numbered wrongly; prepare the dataset again"
        )
    return [(Source(location, f"idx {row['index']}"), row) for row in in_order]
