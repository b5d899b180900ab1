"""The cells of comma-separated lines, with RFC 4180's quotation marks."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.task_examples import RowLocation
from lvbert_tf.finetuning.tasks.bad_rows import RowError
from lvbert_tf.finetuning.tasks.lines import read_lines

# The csv module's own limit, 128 KiB, is less than a long document.
_LARGEST_FIELD = 1 << 24
_ENDED_OPEN = "unexpected end of data"  # the csv module's message for an open quotation mark

Cells = list[str] | RowError


def read_one_line_rows(path: Path) -> Iterator[tuple[int, Cells]]:
    """Yields the number of every line with its cells, or with the error where it is not CSV.

    A blank line has no cells. A quotation mark that is not closed in its line makes that line alone bad.
    """
    for number, line in read_lines(path):
        try:
            yield number, next(_reader([line]))
        except csv.Error as error:
            if _ENDED_OPEN in str(error):
                yield (
                    number,
                    RowError(
                        "a quotation mark is not closed in its line; multiline = true in task.toml"
                        " reads fields that run over lines"
                    ),
                )
            else:
                yield number, RowError(_reason(error))


def read_rows_over_lines(path: Path) -> Iterator[tuple[int, Cells]]:
    """Yields the cells of every row with the number of its first line; quoted cells may have several.

    Raises:
      InputError: a quotation mark is not closed in the file or within 16 MiB; or the row that it begins
        runs over several lines and is not CSV. Nobody can tell how many rows of the file that is, so
        it cannot be left out as one bad row.
    """
    reader = _reader(line + "\n" for _, line in read_lines(path))
    while True:
        start = reader.line_num + 1
        try:
            yield start, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            location = RowLocation(str(path), start)
            if _ENDED_OPEN in str(error) or "field limit" in str(error):
                raise InputError(f"{location}: a quotation mark is never closed") from error
            if reader.line_num > start:
                raise InputError(
                    f"{location}: a quotation mark opens a field that runs to line"
                    f" {reader.line_num}, where it is {_reason(error)}"
                ) from error
            yield start, RowError(_reason(error))


def _reader(lines: Iterable[str]):
    csv.field_size_limit(_LARGEST_FIELD)
    return csv.reader(lines, strict=True)


def _reason(error: csv.Error) -> str:
    # After a dash, the module's messages have advice to programmers.
    return f"not CSV: {str(error).partition(' - ')[0]}"
