"""Examples of texts and pairs of texts: their labels, and reading them from rows."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.task_examples import RowLocation, TextExample
from lvbert_tf.finetuning.tasks.bad_rows import BadRows, RowError, shown
from lvbert_tf.finetuning.tasks.lines import checked_text
from lvbert_tf.finetuning.tasks.rows import Row

ParseLabel = Callable[[Any], int | float]


@dataclass(frozen=True)
class ClassLabels:
    """The classes of a task, in the order of the model's outputs. A call turns a label into its index.

    Raises:
      InputError: there are fewer than two classes, or one is given twice.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.names) < 2 or len(set(self.names)) < len(self.names):
            raise InputError(
                f"labels: expected two or more different ones, got {shown(self.names)}"
            )

    def __call__(self, value: Any) -> int:
        """The index of a label; JSON's numbers and booleans count as text.

        Raises:
          RowError: there is no such label.
        """
        if isinstance(value, bool):
            value = str(value).lower()
        name = str(value).strip() if isinstance(value, str | int) else None
        if name not in self.names:
            raise RowError(f"label {shown(value)} is none of {' | '.join(self.names)}")
        return self.names.index(name)


@dataclass(frozen=True)
class LabelRange:
    """The least and the greatest label of a regression task. A call turns a label into its number.

    A model is trained on labels scaled to 0..1, as the reference does for sts.

    Raises:
      InputError: `low` is not below `high`, or one of them is not finite.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -math.inf < self.low < self.high < math.inf:
            raise InputError(
                f"label_range: expected two rising numbers, got {self.low}, {self.high}"
            )

    @classmethod
    def parse(cls, value: Any) -> "LabelRange":
        """Makes a range of [low, high].

        Raises:
          InputError: the value is something else.
        """
        match value:
            case LabelRange():
                return value
            case [int() | float() as low, int() | float() as high]:
                return cls(float(low), float(high))
        raise InputError(f"expected [least, greatest], got {shown(value)}")

    def __call__(self, value: Any) -> float:
        """The number of a label.

        Raises:
          RowError: the label is not a number or is outside the range.
        """
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not self.low <= number <= self.high:
            raise RowError(f"label {shown(value)} is no number from {self.low:g} to {self.high:g}")
        return number


def read_text_examples(
    rows: Iterable[tuple[RowLocation, Row]], parse_label: ParseLabel, bad_rows: BadRows
) -> Iterator[TextExample]:
    """Makes examples of rows with the field `text` and perhaps `text_pair` and `label`.

    Raises:
      InputError: a text cannot be tokenized or a label is illegal, unless `bad_rows` skips the row.
    """
    for location, row in rows:
        with bad_rows.at(location):
            yield TextExample(
                checked_text(row["text"], "text"),
                checked_text(row["text_pair"], "text_pair") if "text_pair" in row else None,
                parse_label(row["label"]) if "label" in row else None,
                location,
            )


def check_pair(example: TextExample, paired: bool) -> None:
    """Refuses a pair of texts for a model that reads single texts, and the other way round.

    Raises:
      RowError: the example does not suit the model; the message says what to do.
    """
    if paired and example.text_pair is None:
        raise RowError("a single text, but the model reads pairs; add text_pair")
    if not paired and example.text_pair is not None:
        raise RowError("a pair of texts, but the model reads single ones; leave text_pair out")


def double_unordered(examples: Iterable[TextExample]) -> Iterator[TextExample]:
    """Yields all pairs, then all pairs with text and text_pair swapped.

    Training does so on tasks whose pairs have no order (mrpc, sts).
    """
    examples = tuple(examples)
    yield from examples
    for example in examples:
        assert example.text_pair is not None
        yield replace(example, text=example.text_pair, text_pair=example.text)
