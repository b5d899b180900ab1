"""GLUE's tasks as a table of their files, columns, labels and metrics.

The files are the original ones: tab-separated, without quotation marks, most with a header, in
`train.tsv`, `dev.tsv` and `test.tsv` (mnli has more). Columns are numbers, because the names differ
from file to file; sts and mnli count from the end where the reference does. The reference does so for
the test of sts as well, which would take the label of a labelled one for a text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

from lvbert_tf.finetuning.tasks.bad_rows import BadRows
from lvbert_tf.finetuning.tasks.rows import Column, read_tsv
from lvbert_tf.finetuning.tasks.task import Role, Split, Task
from lvbert_tf.finetuning.tasks.text_examples import ClassLabels, LabelRange, read_text_examples


@dataclass(frozen=True)
class _File:
    """Columns of a file; None where it lacks one."""

    role: Role
    text: Column
    text_pair: Column | None = None
    label: Column | None = None
    header: bool = True

    def columns(self) -> dict[str, Column]:
        named = {"text": self.text, "text_pair": self.text_pair, "label": self.label}
        return {role: column for role, column in named.items() if column is not None}


@dataclass(frozen=True)
class _GlueTask:
    files: Mapping[str, _File]
    labels: ClassLabels | LabelRange
    metrics: tuple[str, ...] = ("accuracy",)
    num_train_epochs: float = 3.0
    unordered: bool = field(default=False, kw_only=True)


def _files(train: _File, test: _File) -> Mapping[str, _File]:
    """train, a dev file with the same columns, and test."""
    dev = _File("dev", train.text, train.text_pair, train.label, train.header)
    return MappingProxyType({"train": train, "dev": dev, "test": test})


_YES_NO = ClassLabels(("0", "1"))
_ENTAILMENT = ClassLabels(("entailment", "not_entailment"))
_PAIR = _files(_File("train", 1, 2, 3), _File("test", 1, 2))
_MNLI = MappingProxyType(
    {
        "train": _File("train", 8, 9, -1),
        "dev_matched": _File("dev", 8, 9, -1),
        "dev_mismatched": _File("dev", 8, 9, -1),
        "test_matched": _File("test", 8, 9),
        "test_mismatched": _File("test", 8, 9),
        "diagnostic": _File("test", 1, 2),
    }
)
_TASKS: dict[str, _GlueTask] = {
    "cola": _GlueTask(
        _files(_File("train", 3, None, 1, header=False), _File("test", 1)), _YES_NO, ("mcc",)
    ),
    "mrpc": _GlueTask(
        _files(_File("train", 3, 4, 0), _File("test", 3, 4)),
        _YES_NO,
        ("accuracy", "f1"),
        unordered=True,
    ),
    "mnli": _GlueTask(_MNLI, ClassLabels(("contradiction", "entailment", "neutral"))),
    "sst": _GlueTask(_files(_File("train", 0, None, 1), _File("test", 1)), _YES_NO),
    "qqp": _GlueTask(
        _files(_File("train", 3, 4, 5), _File("test", 1, 2)), _YES_NO, ("accuracy", "f1")
    ),
    "rte": _GlueTask(_PAIR, _ENTAILMENT, num_train_epochs=10.0),
    "qnli": _GlueTask(_PAIR, _ENTAILMENT),
    "sts": _GlueTask(
        _files(_File("train", -3, -2, -1), _File("test", "sentence1", "sentence2")),
        LabelRange(0.0, 5.0),
        # ELECTRA's published figure is Spearman's.
        ("spearman", "pearson", "mse"),
        num_train_epochs=10.0,
        unordered=True,
    ),
    "wnli": _GlueTask(_PAIR, _YES_NO),
}
GLUE_TASKS = tuple(_TASKS)


def glue_task(name: str, folder: Path) -> Task:
    """The GLUE task of a name, with its files in a folder."""
    row = _TASKS[name]
    classes = row.labels if isinstance(row.labels, ClassLabels) else None
    label_range = row.labels if isinstance(row.labels, LabelRange) else None
    return Task(
        name=name,
        kind="classification" if classes else "regression",
        splits={
            split: Split(file.role, str(path), partial(_read, path, file, row.labels))
            for split, file in row.files.items()
            for path in (folder / f"{split}.tsv",)
        },
        metrics=row.metrics,
        classes=classes,
        label_range=label_range,
        unordered=row.unordered,
        num_train_epochs=row.num_train_epochs,
    )


def _read(path: Path, file: _File, labels: ClassLabels | LabelRange, bad_rows: BadRows):
    rows = read_tsv(path, file.columns(), bad_rows, file.header)
    return read_text_examples(rows, labels, bad_rows)
