"""Tagging tasks: the built-in ones, and reading sentences of words with a tag for each."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lvbert_tf.finetuning.metrics.tagging import ENTITY_METRICS, WORD_METRICS
from lvbert_tf.finetuning.task_examples import RowLocation, TaggedSentence
from lvbert_tf.finetuning.tasks.bad_rows import BadRows, RowError, shown
from lvbert_tf.finetuning.tasks.column_files import ColumnFile, ColumnFormat
from lvbert_tf.finetuning.tasks.lines import checked_text
from lvbert_tf.finetuning.tasks.rows import UNKNOWN_IN_TESTS, Row
from lvbert_tf.finetuning.tasks.tag_schemes import EntityTags, TagScheme, WordTags
from lvbert_tf.finetuning.tasks.task import DEFAULT_EPOCHS, DEFAULT_LENGTHS, Role, Task, TaskSplit
from lvbert_tf.finetuning.tasks.tfds_rows import TfdsDataset, same_splits


@dataclass(frozen=True)
class TaggingTask:
    """A built-in tagging task, whose files are {train,dev,test}.txt.

    Args:
      scheme: what its tags mean.
      metrics: the metrics to report, the main one first.
      tfds: where the task is in TFDS; None if it is not there.
    """

    scheme: TagScheme
    metrics: tuple[str, ...]
    tfds: TfdsDataset | None = None

    def from_files(self, name: str, folder: Path) -> Task:
        """The task with its files in a folder. Opens nothing."""

        def split(role: Role) -> TaskSplit:
            path = folder / f"{role}.txt"
            return TaskSplit(
                role, str(path), partial(read_columns, path, self.scheme, role != "test")
            )

        return self._task(name, split)

    def from_tfds(self, name: str) -> Task:
        """The task with its splits in TFDS, where it must be. Opens nothing."""
        assert self.tfds is not None
        dataset = self.tfds

        def split(role: Role) -> TaskSplit:
            return TaskSplit(
                role, dataset.location(role), partial(self._read_dataset, dataset, role)
            )

        return self._task(name, split)

    def _task(self, name: str, split: Callable[[Role], TaskSplit]) -> Task:
        roles: tuple[Role, ...] = ("train", "dev", "test")
        return Task(
            name=name,
            kind="tagging",
            splits={role: split(role) for role in roles},
            metrics=self.metrics,
            tag_scheme=self.scheme,
            num_train_epochs=DEFAULT_EPOCHS["tagging"],
            max_seq_length=DEFAULT_LENGTHS["tagging"],
        )

    def _read_dataset(
        self, dataset: TfdsDataset, role: Role, bad_rows: BadRows
    ) -> Iterator[TaggedSentence]:
        rows = dataset.read(role, bad_rows, UNKNOWN_IN_TESTS if role == "test" else ())
        # TFDS ends every split of conll2003 with a sentence of no words.
        sentences = ((location, row) for location, row in rows if row["words"])
        return read_tagged_rows(sentences, self.scheme, bad_rows)


# chunk is CoNLL-2000, which TFDS does not have; the chunks and parts of speech of its conll2003 are a
# tagger's, not people's.
TAGGING_TASKS: dict[str, TaggingTask] = {
    "chunk": TaggingTask(EntityTags(), ENTITY_METRICS),
    "ner": TaggingTask(
        EntityTags(),
        ENTITY_METRICS,
        TfdsDataset(
            same_splits("conll2003", train="train", dev="dev", test="test"),
            {"words": "tokens", "tags": "ner"},
        ),
    ),
    "pos": TaggingTask(WordTags(), WORD_METRICS),
}


def read_columns(
    path: Path,
    scheme: TagScheme,
    labelled: bool,
    bad_rows: BadRows,
    form: ColumnFormat = ColumnFormat(),  # noqa: B008 - it is frozen
) -> Iterator[TaggedSentence]:
    """Yields the sentences of a file with one word in each line.

    Args:
      path: the file, which may be compressed.
      scheme: what the tags mean.
      labelled: whether a sentence must have tags; if not, only the words are read.
      bad_rows: what happens to bad sentences.
      form: the columns of the file.

    Raises:
      InputError: a line has no word or no tag, or a tag is illegal, unless `bad_rows` skips the
        sentence.
    """
    file, read_tags = ColumnFile(path, form), scheme.reader()
    for lines in file.sentences():
        location = RowLocation(str(path), lines[0][0])
        with bad_rows.at(location):
            words, tags = file.read(lines, labelled)
            if words:
                yield TaggedSentence(tuple(words), read_tags(tags) if tags else None, location)


def read_tagged_rows(
    rows: Iterable[tuple[RowLocation, Row]], scheme: TagScheme, bad_rows: BadRows
) -> Iterator[TaggedSentence]:
    """Makes sentences of rows with the field `words` and perhaps `tags`, which hold lists.

    Words are text; tags are text or indices into the scheme's tags.

    Raises:
      InputError: a row has other values, lists of different lengths or an illegal tag, unless
        `bad_rows` skips it.
    """
    read_tags = scheme.reader()
    for location, row in rows:
        with bad_rows.at(location):
            words, tags = _list(row["words"], "words"), None
            if not words:
                raise RowError("words is empty")
            if "tags" in row:
                tags = _list(row["tags"], "tags")
                if len(tags) != len(words):
                    raise RowError(f"{len(words)} words but {len(tags)} tags")
            texts = tuple(checked_text(word, "an item of words") for word in words)
            yield TaggedSentence(texts, None if tags is None else read_tags(tags), location)


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise RowError(f"{what} is no list: {shown(value)}")
    return value
