"""Choosing the reader of a custom task's file, by the kind of task and the suffix of the file."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePath

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.task_examples import RowLocation
from lvbert_tf.finetuning.tasks.bad_rows import BadRows
from lvbert_tf.finetuning.tasks.column_files import ColumnFormat
from lvbert_tf.finetuning.tasks.question_answering import read_mrqa, read_question_rows, read_squad
from lvbert_tf.finetuning.tasks.questions import QuestionRules
from lvbert_tf.finetuning.tasks.rows import (
    UNKNOWN_IN_TESTS,
    Row,
    read_csv,
    read_json_lines,
    read_tsv,
)
from lvbert_tf.finetuning.tasks.tag_schemes import TagScheme
from lvbert_tf.finetuning.tasks.tagging import read_columns, read_tagged_rows
from lvbert_tf.finetuning.tasks.task import Example, Role
from lvbert_tf.finetuning.tasks.task_file import TaskFile
from lvbert_tf.finetuning.tasks.text_examples import ParseLabel, read_text_examples
from lvbert_tf.finetuning.tasks.tfds_rows import read_tfds
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.streams import uncompressed_name

ReadExamples = Callable[[BadRows], Iterator[Example]]
ReadRows = Callable[[BadRows], Iterator[tuple[RowLocation, Row]]]

# kind -> the fields whose columns must be given, and those whose columns may be.
COLUMNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "classification": (("text", "label"), ("text_pair",)),
    "regression": (("text", "label"), ("text_pair",)),
    "tagging": (("words", "tags"), ()),
    "span": (("question", "context", "answer", "answer_start"), ("id", "impossible")),
}
_TEXT_FORMATS = (".tsv", ".csv", ".jsonl")
_COLUMN_FORMATS = (".txt", ".conll", ".conllu", ".tsv")
_FORMATS = {
    "classification": _TEXT_FORMATS,
    "regression": _TEXT_FORMATS,
    "tagging": (*_COLUMN_FORMATS, ".jsonl"),
    "span": (".json", ".jsonl", ".tsv", ".csv"),
}


def example_reader(
    settings: TaskFile,
    role: Role,
    location: str,
    parse_label: ParseLabel | None,
    tag_scheme: TagScheme | None,
) -> ReadExamples:
    """Makes the function that yields the examples of a file. Opens nothing.

    Args:
      settings: the task's description.
      role: what the file is for.
      location: a path, whose suffix gives the format, or a TFDS name.
      parse_label: turns a label into a class or a number (classification, regression).
      tag_scheme: what tags mean (tagging).

    Raises:
      InputError: the kind of task cannot be read from this format, or a column is not given.
    """
    suffix, given = _suffix(location), settings.columns.given()
    if suffix != "tfds" and suffix not in _FORMATS[settings.kind]:
        formats = ", ".join(_FORMATS[settings.kind])
        raise InputError(f"{location}: a {settings.kind} task reads {formats} and tfds:NAME")
    rules = QuestionRules(settings.unanswerable, role)
    if suffix == ".json":
        return partial(read_squad, parse_path(location), rules)
    if settings.kind == "span" and suffix == ".jsonl" and not given:
        return partial(read_mrqa, parse_path(location), rules)
    if tag_scheme and suffix in _COLUMN_FORMATS:
        word, tag = given.get("words"), given.get("tags")
        if isinstance(word, str) or isinstance(tag, str):
            raise InputError(f"columns.words and columns.tags of {location} must be numbers")
        form = ColumnFormat.of_suffix(suffix, word, tag, settings.comment)
        return partial(read_columns, parse_path(location), tag_scheme, role != "test", form=form)
    rows = _row_reader(settings, role, location, suffix)
    if tag_scheme:
        return lambda bad_rows: read_tagged_rows(rows(bad_rows), tag_scheme, bad_rows)
    if parse_label:
        return lambda bad_rows: read_text_examples(rows(bad_rows), parse_label, bad_rows)
    return lambda bad_rows: read_question_rows(rows(bad_rows), rules, bad_rows)


def is_csv(location: str) -> bool:
    """Whether a file is comma-separated, by its name."""
    return _suffix(location) == ".csv"


def _row_reader(settings: TaskFile, role: Role, location: str, suffix: str) -> ReadRows:
    given = settings.columns.given()
    required, _ = COLUMNS[settings.kind]
    for column in required:
        if column not in given:
            raise InputError(f"columns.{column} is missing: which column of {location} it is")
    hidden = UNKNOWN_IN_TESTS if role == "test" else frozenset()
    columns = {name: column for name, column in given.items() if name not in hidden}
    if suffix == "tfds":
        return lambda bad_rows: read_tfds(location, columns, bad_rows)
    path = parse_path(location)
    if suffix == ".jsonl":
        return lambda bad_rows: read_json_lines(path, columns, bad_rows)
    read = partial(read_csv, multiline=settings.multiline) if is_csv(location) else read_tsv
    return lambda bad_rows: read(path, columns, bad_rows, settings.header)


def _suffix(location: str) -> str:
    if location.startswith("tfds:"):
        return "tfds"
    return PurePath(uncompressed_name(location)).suffix
