"""Rows of tab-separated, comma-separated and JSON-lines files, as values by field.

A field is what a column means to a task (`text`, `label`, ...). A column is given by its name in the
header or by its number from 0; negative numbers count from the end.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.task_examples import RowLocation
from lvbert_tf.finetuning.tasks.bad_rows import BadRows, RowError, shown
from lvbert_tf.finetuning.tasks.csv_rows import Cells, read_one_line_rows, read_rows_over_lines
from lvbert_tf.finetuning.tasks.lines import read_lines

Column = str | int
Row = Mapping[str, Any]
UNKNOWN_IN_TESTS = frozenset({"label", "tags", "answer", "answer_start", "impossible"})
"""Fields that hold what is to be predicted. They are not read from a test split, which may lack them
or have anything there."""


def read_tsv(
    path: Path,
    columns: Mapping[str, Column],
    bad_rows: BadRows,
    header: bool = True,
) -> Iterator[tuple[RowLocation, Row]]:
    """Yields the rows of a tab-separated file. A quotation mark is a character like any other.

    In a file of one column a blank line is a row with an empty text; elsewhere blank lines are skipped.

    Args:
      path: the file, which may be compressed.
      columns: field -> column.
      bad_rows: what happens to bad rows.
      header: whether the first line names the columns.

    Raises:
      InputError: a column is missing; or a row has more or fewer columns than the first line, unless
        `bad_rows` skips it.
    """
    lines = ((number, line.split("\t") if line else []) for number, line in read_lines(path))
    return _read_table(str(path), lines, columns, bad_rows, header)


def read_csv(
    path: Path,
    columns: Mapping[str, Column],
    bad_rows: BadRows,
    header: bool = True,
    multiline: bool = False,
) -> Iterator[tuple[RowLocation, Row]]:
    """Yields the rows of a comma-separated file with RFC 4180's quotation marks; see `read_tsv`.

    Args:
      path: the file, which may be compressed.
      columns: field -> column.
      bad_rows: what happens to bad rows.
      header: whether the first line names the columns.
      multiline: whether a cell in quotation marks may run over several lines.

    Raises:
      InputError: see `read_tsv` and, with `multiline`, `read_rows_over_lines`.
    """
    rows = read_rows_over_lines(path) if multiline else read_one_line_rows(path)
    return _read_table(str(path), rows, columns, bad_rows, header)


def read_json_lines(
    path: Path, columns: Mapping[str, Column], bad_rows: BadRows
) -> Iterator[tuple[RowLocation, Row]]:
    """Yields the objects of a JSON-lines file; the column `a.b` is `b` in the object `a`.

    Raises:
      InputError: a line is not a JSON object or lacks a column, unless `bad_rows` skips it.
    """
    for location, record in read_json_objects(path, bad_rows):
        with bad_rows.at(location):
            yield location, _pick(record, columns)


def read_json_objects(
    path: Path, bad_rows: BadRows
) -> Iterator[tuple[RowLocation, dict[str, Any]]]:
    """Yields the object of every line that is not blank.

    Raises:
      InputError: a line is not a JSON object, unless `bad_rows` skips it.
    """
    for number, line in read_lines(path):
        if not line.strip():
            continue
        location = RowLocation(str(path), number)
        with bad_rows.at(location):
            record = parse_json(line)
            if not isinstance(record, dict):
                raise RowError(f"no JSON object: {shown(line)}")
            yield location, record


def parse_json(text: str) -> Any:
    """Reads JSON.

    Raises:
      RowError: the text is not JSON, or is nested too deep.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise RowError("JSON is nested too deep") from None
    except ValueError as error:  # also an integer of thousands of digits
        raise RowError(f"not JSON: {error}") from error


def dig(record: Any, column: str) -> Any:
    """The value at a dotted name such as `answers.text`.

    Raises:
      KeyError: the record has no such value.
    """
    if isinstance(record, Mapping) and column in record:
        return record[column]
    first, dot, rest = column.partition(".")
    if not dot or not isinstance(record, Mapping):
        raise KeyError(column)
    return dig(record[first], rest)


def _pick(record: dict[str, Any], columns: Mapping[str, Column]) -> Row:
    row = {}
    for field, column in columns.items():
        try:
            row[field] = dig(record, str(column))
        except KeyError:
            names = ", ".join(map(shown, record))
            raise RowError(f"no column {column!r} ({field}); it has {names}") from None
    return row


def _read_table(
    file: str,
    rows: Iterator[tuple[int, Cells]],
    columns: Mapping[str, Column],
    bad_rows: BadRows,
    header: bool,
) -> Iterator[tuple[RowLocation, Row]]:
    """Yields rows by field; `rows` has the cells of every line, and no cells for a blank line."""
    begin: list[tuple[int, Cells]] = []
    for line in rows:
        begin.append(line)
        if line[1] != []:
            break
    else:
        return
    first_number, first = begin[-1]
    if isinstance(first, RowError):
        raise InputError(f"{RowLocation(file, first_number)}: {first}")
    indices, width = _find_columns(file, first, columns, header), len(first)
    for number, row in rows if header else chain(begin, rows):
        if row == [] and width > 1:
            continue
        location = RowLocation(file, number)
        with bad_rows.at(location):
            cells = _checked_cells(row or [""], location, width, header)
            yield location, {field: cells[index] for field, index in indices.items()}


def _checked_cells(row: Cells, location: RowLocation, width: int, header: bool) -> list[str]:
    if isinstance(row, RowError):
        raise row
    if len(row) != width:
        first = "the header" if header else "the first row"
        message = f"{len(row)} columns where {first} has {width}"
        if any("\n" in cell for cell in row):
            # It may be any number of rows, so it must not be counted as one.
            raise InputError(f"{location}: {message}, and a quotation mark runs over several lines")
        raise RowError(message)
    return row


def _find_columns(
    file: str,
    first_row: Sequence[str],
    columns: Mapping[str, Column],
    header: bool,
) -> dict[str, int]:
    indices = {}
    for field, column in columns.items():
        if isinstance(column, int):
            found = [column] if -len(first_row) <= column < len(first_row) else []
        elif header:
            found = [index for index, name in enumerate(first_row) if name.strip() == column]
        else:
            raise InputError(f"{file} has no header: give column {column!r} ({field}) by number")
        if len(found) > 1:
            raise InputError(f"{file}: {len(found)} columns are called {column!r} ({field})")
        if not found:
            names = ", ".join(map(shown, first_row)) if header else f"{len(first_row)} columns"
            raise InputError(f"{file}: no column {column!r} ({field}); it has {names}")
        indices[field] = found[0]
    return indices
