"""Rows that cannot be used: stop at the first, or leave them out and count."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.examples import Source


class RowError(ValueError):
    """What is wrong with a row, without its place."""


@dataclass
class BadRows:
    """Decides what becomes of a bad row.

    Args:
      skip: whether bad rows are left out and counted.
      advice: what the message of a row that is not left out ends with.

    Attributes:
      count: rows left out so far.
      first: the message of the first of them.
    """

    skip: bool = False
    advice: str = "; skip_bad_rows leaves such rows out"
    count: int = 0
    first: str = ""

    @contextlib.contextmanager
    def at(self, source: Source) -> Iterator[None]:
        """Surrounds the parsing of the row at `source`; a RowError in it ends here if rows are skipped.

        Raises:
          InputError: the row is bad and `skip` is not set; names file and line.
        """
        try:
            yield
        except RowError as error:
            message = f"{source}: {error}"
            if not self.skip:
                raise InputError(f"{message}{self.advice}") from error
            self.count += 1
            self.first = self.first or message


def shown(value: object, width: int = 60) -> str:
    """A value as one short line of ASCII, safe to print whatever a file holds."""
    text = ascii(value)
    return text if len(text) <= width else text[: width - 3] + "..."
