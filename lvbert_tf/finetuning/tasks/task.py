"""A fine-tuning task as a value: what it predicts, from which files, and how it is scored."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.task_examples import Question, TaggedSentence, TextExample
from lvbert_tf.finetuning.tasks.bad_rows import BadRows
from lvbert_tf.finetuning.tasks.tag_schemes import TagScheme
from lvbert_tf.finetuning.tasks.text_examples import ClassLabels, LabelRange

Kind = Literal["classification", "regression", "tagging", "span"]
Role = Literal["train", "dev", "test"]
Example = TextExample | TaggedSentence | Question

DEFAULT_EPOCHS: Mapping[Kind, float] = {
    "classification": 3.0,
    "regression": 3.0,
    "tagging": 3.0,
    "span": 2.0,
}
DEFAULT_LENGTHS: Mapping[Kind, int] = {
    "classification": 128,
    "regression": 128,
    "tagging": 256,
    "span": 512,
}


@dataclass(frozen=True)
class TaskSplit:
    """One file of a task, or one split of a TensorFlow Dataset.

    Args:
      role: what the split is for. A `test` split may lack labels.
      location: its path or its TFDS name, for messages.
      read: yields its examples; what happens to bad rows is up to the argument.
    """

    role: Role
    location: str
    read: Callable[[BadRows], Iterator[Example]]


@dataclass(frozen=True)
class Reading:
    """What reading a split has given.

    Args:
      examples: those that could be read.
      skipped: the number of bad rows that were left out.
      first_skipped: the message of the first of them.
    """

    examples: tuple[Example, ...]
    skipped: int = 0
    first_skipped: str = ""


@dataclass(frozen=True)
class Task:
    """A fine-tuning task.

    Args:
      name: one word, as in `task_names`.
      kind: what is predicted: a class, a number, a tag for each word, or a span of the context.
      splits: the splits by name. A task may have several of one role, as mnli has two dev sets.
      metrics: the metrics to report, the main one first; see `finetuning.metrics`.
      classes: the classes of a classification task.
      label_range: the range of a regression task's labels.
      tag_scheme: what the tags of a tagging task mean.
      unanswerable: whether a context may hold no answer (span tasks).
      answer_rule: the rule of `metrics.answer_rules` that scores answers (span tasks).
      unordered: whether the texts of a pair may be swapped; see `double_unordered`.
      num_train_epochs: passes over the training set, unless the hparams set another number.
      max_seq_length: tokens of a row at most, unless the hparams set another number.
    """

    name: str
    kind: Kind
    splits: Mapping[str, TaskSplit]
    metrics: tuple[str, ...]
    num_train_epochs: float
    max_seq_length: int
    classes: ClassLabels | None = None
    label_range: LabelRange | None = None
    tag_scheme: TagScheme | None = None
    unanswerable: bool = False
    answer_rule: str = "squad"
    unordered: bool = False

    def splits_of(self, role: Role) -> tuple[str, ...]:
        """The names of the splits of a role, such as `("dev_matched", "dev_mismatched")`."""
        return tuple(name for name, split in self.splits.items() if split.role == role)

    def read(self, split: str, skip_bad_rows: bool = False) -> Reading:
        """Reads a split.

        Args:
          split: the name of the split.
          skip_bad_rows: whether bad rows are left out and counted instead of refused. A bad row of a
            test split is refused in any case: leaderboards expect a prediction for every row.

        Raises:
          InputError: the task has no such split; the file is missing or has no example; or, unless
            they are skipped, the first bad row, by file and line.
        """
        if split not in self.splits:
            raise InputError(f"{self.name}: no split {split!r}; use {' | '.join(self.splits)}")
        bad_rows = BadRows(skip_bad_rows)
        if self.splits[split].role == "test":
            bad_rows = BadRows(advice="; no row of a test is left out")
        examples = tuple(self.splits[split].read(bad_rows))
        if not examples:
            why = self.splits[split].location
            if bad_rows.count:
                why = f"all {bad_rows.count} rows are bad, first {bad_rows.first}"
            raise InputError(f"{self.name}: the split {split} is empty: {why}")
        return Reading(examples, bad_rows.count, bad_rows.first)
