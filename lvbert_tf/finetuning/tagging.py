"""Tagging tasks in the columns of CoNLL: a word a line, its tag last, a blank line after a sentence."""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from lvbert_tf.finetuning.bad_rows import BadRows, RowError, shown
from lvbert_tf.finetuning.examples import Source, TaggedSentence
from lvbert_tf.finetuning.lines import checked_text, read_lines
from lvbert_tf.finetuning.rows import Row
from lvbert_tf.finetuning.tag_schemes import EntityTags, TagScheme, WordTags
from lvbert_tf.finetuning.task import Role, Split, Task

_Line = tuple[int, list[str]]  # number and columns
_GAP = re.compile(r"[ \t]+")
_DOCUMENT_START = "-DOCSTART-"
_ENTITY_METRICS = ("f1", "precision", "recall")
_TASKS: dict[str, tuple[TagScheme, tuple[str, ...]]] = {
    "chunk": (EntityTags(), _ENTITY_METRICS),
    "ner": (EntityTags(), _ENTITY_METRICS),
    "pos": (WordTags(), ("accuracy",)),
}
TAGGING_TASKS = tuple(_TASKS)


def tagging_task(name: str, folder: Path) -> Task:
    """The built-in tagging task of a name, with its files {train,dev,test}.txt in a folder."""
    scheme, metrics = _TASKS[name]

    def split(role: Role) -> Split:
        path = folder / f"{role}.txt"
        return Split(role, str(path), partial(read_columns, path, scheme, role != "test"))

    roles: tuple[Role, ...] = ("train", "dev", "test")
    return Task(
        name=name,
        kind="tagging",
        splits={role: split(role) for role in roles},
        metrics=metrics,
        tag_scheme=scheme,
        max_seq_length=256,
    )


def read_columns(
    path: Path,
    scheme: TagScheme,
    labelled: bool,
    bad_rows: BadRows,
    word: int = 0,
    tag: int = -1,
    comment: str | None = None,
) -> Iterator[TaggedSentence]:
    """Yields the sentences of a file with columns separated by spaces or tabs.

    Args:
      labelled: whether a sentence must have tags; if not, only the words are read.
      word, tag: the columns, from 0; negative ones count from the end.
      comment: lines that begin with it are left out, and so are those of -DOCSTART-.

    Raises:
      InputError: a line without a tag or an illegal tag, unless `bad_rows` skips its sentence.
    """
    for lines in _sentences(path, comment):
        source = Source(str(path), lines[0][0])
        with bad_rows.at(source):
            words = tuple(_cell(line, word) for line in lines)
            tags = None
            if labelled:
                for number, columns in lines:
                    if len(columns) < 2:
                        raise RowError(f"line {number} has no tag: {shown(columns[0])}")
                tags = scheme.read([_cell(line, tag) for line in lines])
            yield TaggedSentence(words, tags, source)


def read_tagged_rows(
    rows: Iterable[tuple[Source, Row]], scheme: TagScheme, bad_rows: BadRows
) -> Iterator[TaggedSentence]:
    """Makes sentences of rows whose roles `words` and, where there is one, `tags` hold lists of text.

    Raises:
      InputError: a row with other values, or of different lengths, or with an illegal tag, unless
        `bad_rows` skips it.
    """
    for source, row in rows:
        with bad_rows.at(source):
            words, tags = _texts(row["words"], "words"), None
            if not words:
                raise RowError("words is empty")
            if "tags" in row:
                tags = scheme.read(_texts(row["tags"], "tags"))
                if len(tags) != len(words):
                    raise RowError(f"{len(words)} words but {len(tags)} tags")
            yield TaggedSentence(words, tags, source)


def _sentences(path: Path, comment: str | None) -> Iterator[list[_Line]]:
    sentence: list[_Line] = []
    for number, line in chain(read_lines(path), [(0, "")]):
        columns = _GAP.split(line.strip(" \t"))
        if columns == [""]:
            if sentence:
                yield sentence
            sentence = []
        elif columns[0] != _DOCUMENT_START and not (comment and line.startswith(comment)):
            sentence.append((number, columns))


def _cell(line: _Line, index: int) -> str:
    number, columns = line
    try:
        return checked_text(columns[index], f"column {index} of line {number}")
    except IndexError:
        raise RowError(f"line {number} has no column {index}: {shown(' '.join(columns))}") from None


def _texts(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise RowError(f"{what} is no list of texts: {shown(value)}")
    return tuple(checked_text(item, f"an item of {what}") for item in value)
