"""The zip file that gluebenchmark.com takes: a table of predictions for each of its test sets.

Every table is tab-separated with the header `index`, `prediction`; the index counts the rows of
the test file from 0. The site wants all tables. A task without predictions gets a table with the same
answer in every row, so that the zip can be handed in after the first task; a later run on that task
replaces the table.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.tasks.bad_rows import shown
from lvbert_tf.finetuning.tasks.glue import GLUE_TASKS
from lvbert_tf.finetuning.tasks.text_examples import LabelRange
from lvbert_tf.finetuning.tasks.text_tasks import SubmissionTable
from lvbert_tf.io.locks import changing
from lvbert_tf.io.whole import replace_file

_HEADER = "index\tprediction\n"


@dataclass(frozen=True)
class GlueSubmission:
    """The tables of a zip, by their file names.

    Args:
      path: path of the zip.
      predicted: the tables with predictions.
      filled: the tables with the same answer in every row.
      other_rows: table -> (its number of rows, the number that the site scores) where they differ.
    """

    path: Path
    predicted: tuple[str, ...]
    filled: tuple[str, ...]
    other_rows: Mapping[str, tuple[int, int]]

    def __str__(self) -> str:
        """Lines for the user: what the zip holds, and what is wrong with it."""
        lines = [f"{self.path}: predictions in {', '.join(self.predicted)}"]
        if self.filled:
            lines.append(f"  no predictions, so one answer throughout, in {', '.join(self.filled)}")
        lines += [
            f"  warning: {file} has {rows:,} rows, but the site's test set {expected:,}"
            for file, (rows, expected) in self.other_rows.items()
        ]
        return "\n".join(lines)


def glue_tables() -> dict[tuple[str, str], SubmissionTable]:
    """The tables of a submission, by task and test split."""
    return {
        (name, split): table
        for name, task in GLUE_TASKS.items()
        for split, table in task.submission.items()
    }


def write_glue_submission(
    path: Path,
    predictions: Mapping[tuple[str, str], Sequence[str | float]],
    rows: Mapping[tuple[str, str], int],
) -> GlueSubmission:
    """Puts predictions into a zip and keeps the other tables that it holds already.

    Args:
      path: path of the zip; its folder is created if need be.
      predictions: (task, split), a key of `glue_tables()` -> one prediction for each row, in the order
        of the test file (in TFDS the order of the feature `idx`, not of the records). A prediction is a
        class under the name that the task's files give it, or a number, which is clipped to the task's
        range.
      rows: (task, split) -> the number of rows of the test file.

    Returns:
      what the zip now holds.

    Raises:
      InputError: the numbers of predictions and rows differ (the site counts every row); the zip that
        is there cannot be read; or the new one cannot be written, and the old one is then untouched.
      ValueError: there is no such test set, the task has no such class, or a number is not finite.
    """
    expected = glue_tables()
    for task, split in predictions:
        if (task, split) not in expected:
            raise ValueError(f"{task} {split} is no test set of GLUE")
    new = {expected[key].file: _table(key, predictions[key], rows[key]) for key in predictions}
    fillers = {table.file: _lines([table.filler] * table.rows) for table in expected.values()}
    with changing(path):  # runs on other tasks may write the zip at the same time
        tables = {**fillers, **_read_zip(path, fillers.keys()), **new}
        replace_file(path, _zip(tables))
    filled = {file for file in fillers if file not in new and tables[file] == fillers[file]}
    sizes = {
        table.file: (tables[table.file].count(b"\n") - 1, table.rows) for table in expected.values()
    }
    return GlueSubmission(
        path,
        predicted=tuple(file for file in tables if file not in filled),
        filled=tuple(file for file in tables if file in filled),
        other_rows={file: pair for file, pair in sizes.items() if pair[0] != pair[1]},
    )


def _table(key: tuple[str, str], values: Sequence[str | float], rows: int) -> bytes:
    name = " ".join(key)
    if len(values) != rows:
        raise InputError(
            f"{name}: {len(values):,} predictions for {rows:,} rows; the GLUE site counts every row,"
            " so none may be left out"
        )
    labels = GLUE_TASKS[key[0]].labels
    if isinstance(labels, LabelRange):
        numbers = [_finite(name, value) for value in values]
        return _lines([f"{min(max(labels.low, number), labels.high):.3f}" for number in numbers])
    unknown = set(values) - set(labels.names)
    if unknown:
        raise ValueError(f"{name}: {shown(unknown.pop())} is no class of the task")
    return _lines([str(value) for value in values])


def _finite(name: str, value: str | float) -> float:
    if isinstance(value, str) or not math.isfinite(value):
        raise ValueError(f"{name}: {shown(value)} is no number")
    return value


def _lines(answers: Sequence[str]) -> bytes:
    rows = (f"{index}\t{answer}\n" for index, answer in enumerate(answers))
    return (_HEADER + "".join(rows)).encode()


def _read_zip(path: Path, files: Collection[str]) -> dict[str, bytes]:
    """Reads those of `files` that the zip at `path` holds; nothing if there is no zip."""
    if not path.exists():
        return {}
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            return {name: archive.read(name) for name in archive.namelist() if name in files}
    # RuntimeError: a table with a password, or compressed in a way that Python does not know.
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        message = f"{path} cannot be read, so nothing is added: {error}; move it away"
        raise InputError(message) from error


def _zip(tables: Mapping[str, bytes]) -> bytes:
    """A zip of files in their order and without a date: the same content gives the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in tables.items():
            entry = zipfile.ZipInfo(name)  # with its default date, in 1980
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # as if written on Unix
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
