"""What a row of the table of built-in text tasks says, and the tasks that it makes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.task_examples import RowLocation, TextExample
from lvbert_tf.finetuning.tasks.bad_rows import BadRows
from lvbert_tf.finetuning.tasks.rows import UNKNOWN_IN_TESTS, Column, Row, read_tsv
from lvbert_tf.finetuning.tasks.task import DEFAULT_EPOCHS, DEFAULT_LENGTHS, Role, Task, TaskSplit
from lvbert_tf.finetuning.tasks.text_examples import ClassLabels, LabelRange, read_text_examples
from lvbert_tf.finetuning.tasks.tfds_rows import TfdsDataset


@dataclass(frozen=True)
class TextFile:
    """The columns of a file `<split>.tsv`.

    Args:
      role: what the split is for.
      text: column of the text, or of the first text of a pair.
      text_pair: column of the second text; None if the task has single texts.
      label: column of the label; None if the file has none.
      header: whether the first line names the columns.
    """

    role: Role
    text: Column
    text_pair: Column | None = None
    label: Column | None = None
    header: bool = True

    def columns(self) -> dict[str, Column]:
        """field -> column, of those that the file has."""
        named = {"text": self.text, "text_pair": self.text_pair, "label": self.label}
        return {name: column for name, column in named.items() if column is not None}


@dataclass(frozen=True)
class SubmissionTable:
    """The table for one test set in the zip file that gluebenchmark.com takes.

    Args:
      file: the table's name in the zip.
      rows: the number of rows that the site scores.
      filler: the answer where there are no predictions: the most frequent class where one is clearly
        so, else `entailment`; for a number the middle of its range.
    """

    file: str
    rows: int
    filler: str


@dataclass(frozen=True)
class TextTask:
    """A built-in task of texts or pairs of texts: everything that the program knows of it.

    Args:
      files: the task's files, by split.
      labels: the classes as the files name them, or the range of a number.
      metrics: among those of `metrics.classification` or `metrics.regression`, the main one first.
      num_train_epochs: passes over the training set by default.
      unordered: whether the texts of a pair may be swapped.
      tfds: where the task is in TFDS; None if it is not there.
      submission: test split -> its table in GLUE's submission; empty for tasks outside GLUE.
    """

    files: Mapping[str, TextFile]
    labels: ClassLabels | LabelRange
    metrics: tuple[str, ...] = ("accuracy",)
    num_train_epochs: float = DEFAULT_EPOCHS["classification"]
    unordered: bool = False
    tfds: TfdsDataset | None = None
    submission: Mapping[str, SubmissionTable] = field(default_factory=dict)

    def from_files(self, name: str, folder: Path) -> Task:
        """The task with its files in a folder. Opens nothing."""

        def split(name: str, file: TextFile) -> TaskSplit:
            path = folder / f"{name}.tsv"
            return TaskSplit(file.role, str(path), partial(self._read_file, path, file))

        return self._task(name, {name: split(name, file) for name, file in self.files.items()})

    def from_tfds(self, name: str) -> Task:
        """The task with its splits in TFDS, where it must be. Opens nothing."""
        assert self.tfds is not None
        dataset = self.tfds

        def split(name: str, role: Role) -> TaskSplit:
            read = partial(self._read_dataset, dataset, name, role)
            return TaskSplit(role, dataset.location(name), read)

        return self._task(name, {name: split(name, file.role) for name, file in self.files.items()})

    def _task(self, name: str, splits: Mapping[str, TaskSplit]) -> Task:
        classes = self.labels if isinstance(self.labels, ClassLabels) else None
        label_range = self.labels if isinstance(self.labels, LabelRange) else None
        return Task(
            name=name,
            kind="classification" if classes else "regression",
            splits=splits,
            metrics=self.metrics,
            classes=classes,
            label_range=label_range,
            unordered=self.unordered,
            num_train_epochs=self.num_train_epochs,
            max_seq_length=DEFAULT_LENGTHS["classification"],
        )

    def _read_file(self, path: Path, file: TextFile, bad_rows: BadRows) -> Iterator[TextExample]:
        rows = read_tsv(path, file.columns(), bad_rows, file.header)
        return read_text_examples(rows, self.labels, bad_rows)

    def _read_dataset(
        self, dataset: TfdsDataset, split: str, role: Role, bad_rows: BadRows
    ) -> Iterator[TextExample]:
        def parse_label(value: Any) -> int | float:
            return self.labels(dataset.classes.get(value, value))

        rows = dataset.read(split, bad_rows, UNKNOWN_IN_TESTS if role == "test" else ())
        if "index" in dataset.columns:
            rows = _in_order(rows, role, dataset.location(split))
        return read_text_examples(rows, parse_label, bad_rows)


def _in_order(
    rows: Iterator[tuple[RowLocation, Row]], role: Role, location: str
) -> Iterator[tuple[RowLocation, Row]]:
    """Yields the rows in the order of the original file.

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
    for row in in_order:
        yield RowLocation(location, f"idx {row['index']}"), row
