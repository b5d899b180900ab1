"""What happens to bad rows: the first one ends the run, or they are left out and counted."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.task_examples import RowLocation


class RowError(ValueError):
    """Says what is wrong with a row, but not where the row is."""


@dataclass
class BadRows:
    """Decides what happens to a bad row.

    Args:
      skip: whether bad rows are left out and counted.
      advice: the end of the message about a row that is not left out.

    Attributes:
      count: the number of rows left out so far.
      first: the message about the first of them.
    """

    skip: bool = False
    advice: str = "; skip_bad_rows leaves such rows out"
    count: int = 0
    first: str = ""

    @contextlib.contextmanager
    def at(self, location: RowLocation) -> Iterator[None]:
        """A context for parsing the row at `location`, which catches RowError if rows are skipped.

        Raises:
          InputError: the row is bad and `skip` is false. The message names file and line.
        """
        try:
            yield
        except RowError as error:
            message = f"{location}: {error}"
            if not self.skip:
                raise InputError(f"{message}{self.advice}") from error
            self.count += 1
            self.first = self.first or message


def shown(value: object, width: int = 60) -> str:
    """A value as one short line of ASCII, which can be printed whatever the value holds."""
    text = ascii(value)
    return text if len(text) <= width else text[: width - 3] + "..."
