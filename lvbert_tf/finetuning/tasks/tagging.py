"""Tagging tasks: sentences of words, with a tag for each."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from lvbert_tf.finetuning.examples import Source, TaggedSentence
from lvbert_tf.finetuning.tasks.bad_rows import BadRows, RowError, shown
from lvbert_tf.finetuning.tasks.column_files import ColumnFile, ColumnFormat
from lvbert_tf.finetuning.tasks.lines import checked_text
from lvbert_tf.finetuning.tasks.rows import Row
from lvbert_tf.finetuning.tasks.tag_schemes import EntityTags, TagScheme, WordTags
from lvbert_tf.finetuning.tasks.task import Role, Split, Task

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
    form: ColumnFormat = ColumnFormat(),  # noqa: B008 - it is frozen
) -> Iterator[TaggedSentence]:
    """Yields the sentences of a file with a word a line.

    Args:
      labelled: whether a sentence must have tags; if not, only the words are read.
      form: where the file has words and tags.

    Raises:
      InputError: a line without a word or a tag, or an illegal tag, unless `bad_rows` skips its
        sentence.
    """
    file, read_tags = ColumnFile(path, form), scheme.reader()
    for lines in file.sentences():
        source = Source(str(path), lines[0][0])
        with bad_rows.at(source):
            words, tags = file.read(lines, labelled)
            if words:
                yield TaggedSentence(tuple(words), read_tags(tags) if tags else None, source)


def read_tagged_rows(
    rows: Iterable[tuple[Source, Row]], scheme: TagScheme, bad_rows: BadRows
) -> Iterator[TaggedSentence]:
    """Makes sentences of rows whose roles `words` and, where there is one, `tags` hold lists: of text,
    and tags of text or of their places among the scheme's.

    Raises:
      InputError: a row with other values, or of different lengths, or with an illegal tag, unless
        `bad_rows` skips it.
    """
    read_tags = scheme.reader()
    for source, row in rows:
        with bad_rows.at(source):
            words, tags = _list(row["words"], "words"), None
            if not words:
                raise RowError("words is empty")
            if "tags" in row:
                tags = _list(row["tags"], "tags")
                if len(tags) != len(words):
                    raise RowError(f"{len(words)} words but {len(tags)} tags")
            texts = tuple(checked_text(word, "an item of words") for word in words)
            yield TaggedSentence(texts, None if tags is None else read_tags(tags), source)


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise RowError(f"{what} is no list: {shown(value)}")
    return value
