"""A fine-tuning task as a value: what it predicts, from which files, and how it is scored."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.examples import Question, TaggedSentence, TextExample
from lvbert_tf.finetuning.tasks.bad_rows import BadRows
from lvbert_tf.finetuning.tasks.tag_schemes import TagScheme
from lvbert_tf.finetuning.tasks.text_examples import ClassLabels, LabelRange

Kind = Literal["classification", "regression", "tagging", "span"]
Role = Literal["train", "dev", "test"]
Example = TextExample | TaggedSentence | Question


@dataclass(frozen=True)
class Split:
    """One file of a task.

    Args:
      role: what it is for; files for `test` may have no labels.
      location: its path, or its TFDS name.
      read: yields its examples.
    """

    role: Role
    location: str
    read: Callable[[BadRows], Iterator[Example]]


@dataclass(frozen=True)
class Reading:
    """The examples of a split, the rows left out and the message of the first of those."""

    examples: tuple[Example, ...]
    skipped: int = 0
    first_skipped: str = ""


@dataclass(frozen=True)
class Task:
    """A fine-tuning task.

    Args:
      name: of one word, as in `task_names`.
      kind: what is predicted: a class, a number, a tag for each word, or a span of the context.
      splits: the files by name. A task may have several of one role (mnli's dev sets).
      metrics: figures to report, the main one first; see `finetuning.metrics`.
      classes: of a classification task.
      label_range: of a regression task.
      tag_scheme: of a tagging task.
      unanswerable: whether a context may hold no answer (span tasks).
      answer_rule: by which answers are scored (span tasks), of `metrics.answer_rules`.
      unordered: whether the texts of a pair may be swapped; see `double_unordered`.
      num_train_epochs, max_seq_length: the defaults of fine-tuning; length in tokens.
    """

    name: str
    kind: Kind
    splits: Mapping[str, Split]
    metrics: tuple[str, ...]
    classes: ClassLabels | None = None
    label_range: LabelRange | None = None
    tag_scheme: TagScheme | None = None
    unanswerable: bool = False
    answer_rule: str = "squad"
    unordered: bool = False
    num_train_epochs: float = 3.0
    max_seq_length: int = 128

    def splits_of(self, role: Role) -> tuple[str, ...]:
        """The names of the splits of a role, e.g. `("dev_matched", "dev_mismatched")`."""
        return tuple(name for name, split in self.splits.items() if split.role == role)

    def read(self, split: str, skip_bad_rows: bool = False) -> Reading:
        """Reads a split.

        Args:
          skip_bad_rows: whether bad rows are left out and counted, rather than refused. Those of a test
            are refused in any case: there is a prediction for each row, which leaderboards count.

        Raises:
          InputError: the task has no such split, its file is missing or has no example; or, unless
            skipped, the first bad row, by file and line.
        """
        if split not in self.splits:
            raise InputError(f"{self.name}: no split {split!r}; use {' | '.join(self.splits)}")
        bad_rows = BadRows(skip_bad_rows)
        if self.splits[split].role == "test":
            bad_rows = BadRows(advice="; no row of a test is left out")
        examples = tuple(self.splits[split].read(bad_rows))
        if not examples:
            why = f"all {bad_rows.count} rows are bad, first {bad_rows.first}" * bool(
                bad_rows.count
            )
            location = self.splits[split].location
            raise InputError(f"{self.name}: the split {split} is empty: {why or location}")
        return Reading(examples, bad_rows.count, bad_rows.first)
