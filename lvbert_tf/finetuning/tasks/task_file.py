"""The keys of a `task.toml` and their types."""
# ruff: noqa: RUF009 - hparam() makes a dataclass field; it is no shared default

from dataclasses import MISSING, dataclass, fields
from typing import Any

from lvbert_tf import hparams
from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.metrics.answer_rules import ANSWER_RULES
from lvbert_tf.finetuning.tasks.bad_rows import shown
from lvbert_tf.finetuning.tasks.rows import Column
from lvbert_tf.finetuning.tasks.text_examples import LabelRange
from lvbert_tf.hparams import POSITIVE, Range, hparam


@dataclass(frozen=True)
class ColumnName:
    """A column, given by its name or its number."""

    column: Column

    @classmethod
    def parse(cls, value: Any) -> "ColumnName":
        """Raises InputError if the value is neither text nor an integer."""
        if isinstance(value, ColumnName):
            return value
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise InputError(f"expected a column's name or its number from 0, got {shown(value)}")
        return cls(value)


@dataclass(frozen=True)
class Labels:
    """Names of classes, entity types or tags, in the order of the model's outputs."""

    names: tuple[str, ...]

    @classmethod
    def parse(cls, value: Any) -> "Labels":
        """Raises InputError if the value is not a list of different words."""
        if isinstance(value, Labels):
            return value
        words = isinstance(value, list) and all(
            isinstance(name, str | int) and not isinstance(name, bool) for name in value
        )
        names = tuple(str(name).strip() for name in value) if words else ()
        if not names or "" in names or len(set(names)) < len(names):
            raise InputError(f"expected a list of different names, got {shown(value)}")
        return cls(names)


@dataclass(frozen=True)
class Files:
    """The table `files`: paths relative to the task's folder, or `tfds:NAME[/config][:split]`."""

    train: str = hparam(MISSING, doc="to train on")
    dev: str = hparam(MISSING, doc="to evaluate on")
    test: str | None = hparam(None, doc="to predict for; it may lack labels")


@dataclass(frozen=True)
class Columns:
    """The table `columns`: which column holds which field."""

    text: ColumnName | None = hparam(None, doc="classification and regression: the text")
    text_pair: ColumnName | None = hparam(None, doc="a second text, where pairs are compared")
    label: ColumnName | None = hparam(None, doc="the class or the number")
    words: ColumnName | None = hparam(None, doc="tagging: the words")
    tags: ColumnName | None = hparam(None, doc="tagging: the tags of the words")
    id: ColumnName | None = hparam(None, doc="span: a name for the question, unique in its file")
    question: ColumnName | None = hparam(None, doc="span: the question")
    context: ColumnName | None = hparam(None, doc="span: the text that holds the answer")
    answer: ColumnName | None = hparam(None, doc="span: the answer, or a list of answers")
    answer_start: ColumnName | None = hparam(
        None, doc="span: the character of the context where it begins"
    )
    impossible: ColumnName | None = hparam(
        None, doc="span: true or 1 where the context holds no answer"
    )

    def given(self) -> dict[str, Column]:
        """field -> column, of those that are set."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: given.column for name, given in named.items() if given is not None}


@dataclass(frozen=True)
class TaskFile:
    """The keys of a `task.toml`.

    Raises:
      InputError: a value of the wrong type or outside its legal range.
    """

    kind: str = hparam(
        MISSING, ("classification", "regression", "tagging", "span"), "what is predicted"
    )
    files: Files = hparam(MISSING, doc="the table of files")
    columns: Columns = hparam(Columns(), doc="the table of columns")
    header: bool = hparam(True, doc="whether the first line of TSV and CSV files names the columns")
    multiline: bool = hparam(False, doc="whether quoted fields of CSV files may run over lines")
    labels: Labels | None = hparam(None, doc="classes; of tagging: entity types, or tags")
    label_range: LabelRange | None = hparam(None, doc="regression: [least, greatest] label")
    tag_scheme: str = hparam("entities", ("entities", "words"), "whether tags mark entities")
    comment: str = hparam("", doc="tagging: lines that begin with it are left out")
    unanswerable: bool = hparam(False, doc="span: whether a context may hold no answer")
    answer_rule: str = hparam("squad", tuple(ANSWER_RULES), "span: when an answer is right")
    unordered: bool = hparam(False, doc="whether the texts of a pair may be swapped")
    metric: str = hparam("", doc="the main metric; by default the first one of the kind")
    num_train_epochs: float | None = hparam(
        None, POSITIVE, "passes over the training set; 3, span 2"
    )
    max_seq_length: int | None = hparam(
        None, Range(8, 512), "tokens of a row at most; 128, tagging 256, span 512"
    )

    def __post_init__(self) -> None:
        hparams.check(self)
