"""The zip file that gluebenchmark.com takes: a table of predictions for each of its test sets.

Every table is tab-separated with the header `index`, `prediction`; the index counts the rows of
the test file from 0. The site wants all tables. Those of tasks that were not fine-tuned are filled with
one answer throughout, so that the zip can be handed in after the first task; runs on further tasks
put theirs in its place.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.tasks.bad_rows import shown
from lvbert_tf.finetuning.tasks.glue import glue_task
from lvbert_tf.io.locks import changing
from lvbert_tf.io.whole import replace_file

_HEADER = "index\tprediction\n"


@dataclass(frozen=True)
class _TestSet:
    """A table of the submission.

    Args:
      file: its name in the zip.
      rows: of the test set that the site scores.
      filler: the answer where there are no predictions: the most frequent class where one is clearly
        so, else `entailment`; for a number the middle of its range.
    """

    file: str
    rows: int
    filler: str


_TEST_SETS: dict[tuple[str, str], _TestSet] = {
    ("cola", "test"): _TestSet("CoLA.tsv", 1063, "1"),
    ("sst", "test"): _TestSet("SST-2.tsv", 1821, "1"),
    ("mrpc", "test"): _TestSet("MRPC.tsv", 1725, "1"),
    ("sts", "test"): _TestSet("STS-B.tsv", 1379, "2.500"),
    ("qqp", "test"): _TestSet("QQP.tsv", 390965, "0"),
    ("mnli", "test_matched"): _TestSet("MNLI-m.tsv", 9796, "entailment"),
    ("mnli", "test_mismatched"): _TestSet("MNLI-mm.tsv", 9847, "entailment"),
    ("qnli", "test"): _TestSet("QNLI.tsv", 5463, "entailment"),
    ("rte", "test"): _TestSet("RTE.tsv", 3000, "entailment"),
    ("wnli", "test"): _TestSet("WNLI.tsv", 146, "0"),
    ("mnli", "diagnostic"): _TestSet("AX.tsv", 1104, "entailment"),
}
GLUE_TEST_SETS = tuple(_TEST_SETS)


@dataclass(frozen=True)
class GlueSubmission:
    """What a zip holds, by the names of its files.

    Args:
      path: of the zip.
      predicted: files with predictions.
      filled: files with one answer throughout.
      other_rows: file -> (its rows, those that the site scores) where they differ.
    """

    path: Path
    predicted: tuple[str, ...]
    filled: tuple[str, ...]
    other_rows: Mapping[str, tuple[int, int]]

    def describe(self) -> str:
        """Lines for the user."""
        lines = [f"{self.path}: predictions in {', '.join(self.predicted)}"]
        if self.filled:
            lines.append(f"  no predictions, so one answer throughout, in {', '.join(self.filled)}")
        lines += [
            f"  warning: {file} has {rows:,} rows, but the site's test set {expected:,}"
            for file, (rows, expected) in self.other_rows.items()
        ]
        return "\n".join(lines)


def write_glue_submission(
    path: Path,
    predictions: Mapping[tuple[str, str], Sequence[str | float]],
    rows: Mapping[tuple[str, str], int],
) -> GlueSubmission:
    """Puts predictions into a zip, beside those that it holds already.

    Args:
      path: of the zip; its folder is created if need be.
      predictions: (task, split), one of `GLUE_TEST_SETS` -> a class as the task's files name it, or a
        number in their units, which is brought into the task's range; in the order of the test file,
        which is that of the feature `idx` in TFDS, not that of its records.
      rows: (task, split) -> rows of the test file.

    Returns:
      what the zip now holds.

    Raises:
      InputError: not as many predictions as rows, since the site counts every row; the zip that is there
        cannot be read; or it cannot be written: the old one is then untouched.
      ValueError: no such test set, a class that the task has not, or a number that is not finite.
    """
    for task, split in predictions:
        if (task, split) not in _TEST_SETS:
            raise ValueError(f"{task} {split} is no test set of GLUE")
    new = {_TEST_SETS[key].file: _table(key, predictions[key], rows[key]) for key in predictions}
    fillers = {part.file: _lines([part.filler] * part.rows) for part in _TEST_SETS.values()}
    with changing(path):  # runs on other tasks put theirs in at any time
        tables = {**fillers, **_read_zip(path), **new}
        replace_file(path, _zip(tables))
    filled = {file for file in fillers if file not in new and tables[file] == fillers[file]}
    sizes = {
        part.file: (tables[part.file].count(b"\n") - 1, part.rows) for part in _TEST_SETS.values()
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
    task = glue_task(key[0], Path())
    if task.label_range is not None:
        low, high = task.label_range.low, task.label_range.high
        return _lines([f"{min(max(low, _finite(name, value)), high):.3f}" for value in values])
    assert task.classes is not None
    unknown = set(values) - set(task.classes.names)
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


def _read_zip(path: Path) -> dict[str, bytes]:
    """The tables of an earlier zip, if there is one."""
    if not path.exists():
        return {}
    files = {part.file for part in _TEST_SETS.values()}
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist() if name in files}
    # RuntimeError: a table with a password, or compressed in a way that Python does not know.
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        message = f"{path} cannot be read, so nothing is added: {error}; move it away"
        raise InputError(message) from error


def _zip(tables: Mapping[str, bytes]) -> bytes:
    """Files at the top level, in their order and without a date: the same content, the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in tables.items():
            entry = zipfile.ZipInfo(name)  # of 1980
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # as if written on Unix
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
