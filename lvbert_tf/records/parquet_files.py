"""Reads a column of text from Parquet files.

The file is read where a document is needed, so that memory stays the same however large its row groups
are. Row groups can be read independently of each other: a large file makes several sections of a corpus.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.io.streams import FoundFile

_BUFFER_BYTES = 1 << 20
_BATCH_BYTES = 1 << 20
_MOST_ROWS_AT_ONCE = 4096
_ROWS_OF_DICTIONARY = 16


@dataclass(frozen=True)
class ParquetRows:
    """Consecutive row groups of a Parquet file.

    Attributes:
        file: the file.
        column: the name of the column with the text.
        groups: the indices of the row groups.
        first_row: the number of rows of the file before them.
        bytes: their share of the size of the file.
    """

    file: FoundFile
    column: str
    groups: range
    first_row: int
    bytes: int

    @property
    def identity(self) -> tuple:
        """What differs where the rows may hold something else."""
        return *self.file.identity, self.column, self.groups

    @classmethod
    def find(cls, file: FoundFile, column: str, bytes_at_once: int) -> "list[ParquetRows]":
        """Divides a file into row groups, as many together as take so many bytes.

        Args:
            file: the file.
            column: the name of the column with the text.
            bytes_at_once: what the row groups of one result have in the file, at least.

        Raises:
            InputError: the file is damaged, or has no such column, or the column is not text.
        """
        with _opened(file) as parquet:
            _check_column(file, parquet.schema_arrow, column)
            metadata = parquet.metadata
            sizes = [_stored_bytes(metadata.row_group(n)) for n in range(metadata.num_row_groups)]
            rows = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        total = max(1, sum(sizes))
        found = []
        first = 0
        for end in range(1, len(sizes) + 1):
            if sum(sizes[first:end]) < bytes_at_once and end < len(sizes):
                continue
            begin_bytes, end_bytes = (file.bytes * sum(sizes[:n]) // total for n in (first, end))
            before = sum(rows[:first])
            found.append(cls(file, column, range(first, end), before, end_bytes - begin_bytes))
            first = end
        return found or [cls(file, column, range(0), 0, file.bytes)]

    def read(self, on_bytes: Callable[[int], object]) -> Iterator[str]:
        """Yields the texts in the order of the file.

        Args:
            on_bytes: called with the number of bytes, of `bytes`, that were read since the last call.

        Raises:
            InputError: the file is damaged, or a row has no text.
        """
        row, reported = self.first_row, 0
        with _opened(self.file) as parquet:
            groups = [parquet.metadata.row_group(n) for n in self.groups]
            count = sum(group.num_rows for group in groups)
            for number, group in zip(self.groups, groups, strict=True):
                for texts in _batches(parquet, number, group, self.column):
                    for text in texts:
                        row += 1
                        if text is None:
                            raise InputError(
                                f"{self.file.path}, row {row}: no text in column {self.column!r}"
                            )
                        yield text
                    due = self.bytes * (row - self.first_row) // max(1, count)
                    on_bytes(due - reported)
                    reported = due
        on_bytes(self.bytes - reported)


def _batches(parquet: Any, number: int, group: Any, column: str) -> Iterator[list[str | None]]:
    """The texts of a row group, about a megabyte at a time."""
    (stored,) = (
        group.column(n)
        for n in range(group.num_columns)
        if group.column(n).path_in_schema == column
    )
    text_bytes = max(1, stored.total_uncompressed_size // max(1, group.num_rows))
    # A dictionary holds a text that is repeated once, so that the average says little.
    most = _ROWS_OF_DICTIONARY if stored.has_dictionary_page else _MOST_ROWS_AT_ONCE
    rows = max(1, min(most, _BATCH_BYTES // text_bytes))
    for batch in parquet.iter_batches(rows, [number], [column], use_threads=False):
        yield batch.column(0).to_pylist()


@contextlib.contextmanager
def _opened(file: FoundFile) -> Iterator[Any]:
    """Opens a file; what is wrong with it, also while it is read, is an InputError."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with file.path.open("rb") as opened:
            yield ParquetFile(opened, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        # Arrow raises an OSError too, but without the error number of a system error.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = next(iter(str(error).splitlines()), repr(error))
        raise InputError(f"{file.path}: a damaged or truncated Parquet file: {reason}") from error


def _check_column(file: FoundFile, schema: Any, column: str) -> None:
    import pyarrow

    if schema.names.count(column) > 1:
        raise InputError(f"{file.path}: {schema.names.count(column)} columns are named {column!r}")
    if column not in schema.names:
        raise InputError(
            f"{file.path}: no column {column!r}; it has {schema.names}; --json_field names another"
        )
    kind = schema.field(column).type
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    is_text = (pyarrow.types.is_string, pyarrow.types.is_large_string, pyarrow.types.is_string_view)
    if not any(test(kind) for test in is_text):
        raise InputError(f"{file.path}: column {column!r} is no text but {kind}")


def _stored_bytes(group: Any) -> int:
    return sum(group.column(n).total_compressed_size for n in range(group.num_columns))
