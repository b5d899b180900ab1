"""Corpora in Parquet files."""

import gzip
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from corpora import documents, tar_of

from lvbert_tf.errors import InputError
from lvbert_tf.records import corpus as corpus_module
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.documents import Tally

TEXTS = [f"text {n}\n\nof document {n}" for n in range(1000)]


def write(path, texts=TEXTS, kind=None, **options) -> Path:
    columns = {"id": list(range(len(texts))), "text": pyarrow.array(texts, kind)}
    pyarrow.parquet.write_table(pyarrow.table(columns), path, **options)
    return path


def read(path, **options) -> list[str]:
    texts: list[str] = []
    for starts, text in Corpus(str(path), **options).read():
        if starts:
            texts.append(text)
        else:
            texts[-1] += text
    return texts


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "dictionary"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip", "brotli", "lz4"])
def test_a_row_is_a_document(tmp_path, kind, compression):
    kinds = {"dictionary": pyarrow.dictionary(pyarrow.int32(), pyarrow.string())}
    kind = kinds.get(kind) or getattr(pyarrow, kind)()
    path = write(tmp_path / "a.parquet", TEXTS, kind, compression=compression, row_group_size=300)
    assert read(path) == TEXTS


def test_it_is_known_by_its_content_and_stands_beside_other_files(tmp_path):
    write(tmp_path / "1.data", ["one", "", "two"])
    (tmp_path / "0.txt").write_text("zero")
    (tmp_path / "2.jsonl").write_text('{"text": "three"}')
    assert documents(tmp_path) == [["zero"], ["one"], ["two"], ["three"]]


def test_the_column_has_the_name_of_the_json_field(tmp_path):
    table = pyarrow.table({"text": ["no"], "body": ["yes"]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path, json_field="body") == ["yes"]


def test_row_groups_make_sections_of_their_own(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", row_group_size=100, compression="none")
    monkeypatch.setattr(corpus_module, "SECTION_BYTES", path.stat().st_size // 4)
    corpus, tally = Corpus(str(path)), Tally()
    by_section = [[text for _, text in section.read(tally)] for section in corpus.sections]
    assert [len(texts) for texts in by_section] == [300, 300, 300, 100]
    assert [*chain(*by_section)] == TEXTS
    assert tally.bytes == corpus.total_bytes == path.stat().st_size and tally.records == 4
    assert Corpus(str(path), json_field="text").fingerprint() == corpus.fingerprint()


def test_empty_tables_have_no_documents(tmp_path):
    write(tmp_path / "a.parquet", [], pyarrow.string())
    assert read(tmp_path) == []


def damaged(change):
    def make(path):
        write(path, compression="none")
        data = path.read_bytes()
        path.write_bytes(change(data))

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda path: pyarrow.parquet.write_table(pyarrow.table({"b": ["x"], "c": [1]}), path),
            r"a\.parquet: no column 'text'; it has \['b', 'c'\]; --json_field names another",
        ),
        (lambda path: write(path, [1, 2]), r"a\.parquet: column 'text' is no text but int64"),
        (lambda path: write(path, [["x"]]), r"column 'text' is no text but list<"),
        (
            lambda path: pyarrow.parquet.write_table(
                pyarrow.Table.from_arrays([["x"], ["y"]], ["text", "text"]), path
            ),
            r"a\.parquet: 2 columns are named 'text'",
        ),
        (damaged(lambda data: data[:-5]), r"a\.parquet: a damaged or truncated Parquet file: .*"),
        (damaged(lambda data: data[: len(data) // 2]), r"a damaged or truncated Parquet file: ."),
        (damaged(lambda data: data[:4]), r"a damaged or truncated Parquet file: ."),
    ],
    ids=["column", "number", "list", "twice", "end", "half", "start"],
)
def test_what_cannot_be_read_is_found_before_anything_is_read(tmp_path, make, message):
    make(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=message) as raised:
        Corpus(str(tmp_path))
    assert "\n" not in str(raised.value)


def test_a_row_without_text_is_named(tmp_path):
    texts = [*TEXTS[:700], None, *TEXTS]
    write(tmp_path / "a.parquet", texts, row_group_size=256)
    with pytest.raises(InputError, match=r"a\.parquet, row 701: no text in column 'text'"):
        read(tmp_path)


def test_damage_between_the_rows_is_one_line(tmp_path):
    path = write(tmp_path / "a.parquet", compression="zstd")
    data = bytearray(path.read_bytes())
    data[3000:6000] = b"\xee" * 3000
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.parquet: a damaged or truncated Parquet file: ."):
        read(path)


def test_text_that_is_not_utf_8_is_one_line(tmp_path):
    binary = pyarrow.array([b"good", b"bad \xff\xfe"])
    text = pyarrow.Array.from_buffers(pyarrow.string(), 2, binary.buffers())
    pyarrow.parquet.write_table(pyarrow.table({"text": text}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet: .*utf-8"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["a.tar", "a.gz"])
def test_inside_of_something_it_is_refused(tmp_path, name):

    data = write(tmp_path / "inner").read_bytes()
    (tmp_path / "inner").unlink()
    packed = tar_of({"x": data}) if name == "a.tar" else gzip.compress(data)
    (tmp_path / name).write_bytes(packed)
    with pytest.raises(InputError, match="is a Parquet file, which is read from a corpus only"):
        read(tmp_path)


_MEASURE = """
import resource, sys
from lvbert_tf.records.corpus import Corpus
import pyarrow.parquet
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
total = sum(len(text) for _, text in Corpus(sys.argv[1]).read())
print(total, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_row_group(tmp_path):
    used = {}
    for megabytes in (40, 160):
        # One row group, and texts that no dictionary makes small.
        texts = [f"{n:09}" * 1000 for n in range(megabytes * 1_000_000 // 9000)]
        path = write(tmp_path / "a.parquet", texts, row_group_size=len(texts), use_dictionary=False)
        assert pyarrow.parquet.ParquetFile(path).num_row_groups == 1
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, path], capture_output=True, text=True, check=True
        )
        total, used[megabytes] = map(int, done.stdout.split())
        assert total == sum(map(len, texts))
    assert used[160] < used[40] + 30e6 and used[160] < 120e6, used


@pytest.mark.slow
def test_memory_does_not_grow_with_texts_that_are_repeated(tmp_path):
    path = write(tmp_path / "a.parquet", ["0123456789" * 40_000] * 1000)
    assert path.stat().st_size < 100_000
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, path], capture_output=True, text=True, check=True
    )
    total, used = map(int, done.stdout.split())
    assert total == 400_000_000 and used < 120e6, used
