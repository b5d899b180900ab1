"""Tables whatever bytes they hold."""

import bz2
import csv
import gzip
import io
import lzma

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st
from task_files import refusal

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.tasks import csv_rows
from lvbert_tf.finetuning.tasks.bad_rows import BadRows
from lvbert_tf.finetuning.tasks.rows import read_csv, read_json_lines, read_tsv
from lvbert_tf.finetuning.tasks.text_examples import ClassLabels, read_text_examples

COLUMNS = {"text": "text", "label": "label"}
LABELS = ClassLabels(("no", "yes"))


def write(folder, content: bytes, suffix: str):
    path = folder / f"rows{suffix}"
    path.write_bytes(content)
    return path


def read(path, skip=True, columns=COLUMNS, **options):
    """(texts and labels, the bad rows) of a file."""
    bad_rows = BadRows(skip)
    reader = {".tsv": read_tsv, ".csv": read_csv, ".jsonl": read_json_lines}[path.suffix]
    rows = reader(path, columns, bad_rows, **options)
    examples = read_text_examples(rows, LABELS, bad_rows)
    return [(e.text, e.label) for e in examples], bad_rows


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"text\tlabel\na\tyes\n", [("a", 1)]),
        (b"text\tlabel\na\tyes", [("a", 1)]),  # no last newline
        (b"\xef\xbb\xbftext\tlabel\r\na\tyes\r\n\r\nb\tno\r\n", [("a", 1), ("b", 0)]),
        (b'text\tlabel\n"a\tyes\n" b\tno\n', [('"a', 1), ('" b', 0)]),
        ("text\tlabel\na\u2028b\x85c\tyes\n".encode(), [("a\u2028b\x85c", 1)]),
        (b"label\tx\ttext\nyes\t1\ta\n", [("a", 1)]),
        (b"text\tlabel\n\t yes \n", [("", 1)]),
        (b"text\tlabel\n" + b"x" * 300_000 + b"\tyes\n", [("x" * 300_000, 1)]),
    ],
)
def test_tsv(tmp_path, content, expected):
    assert read(write(tmp_path, content, ".tsv"), skip=False)[0] == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'text,label\n"a, ""b""",yes\nd,no\n', [('a, "b"', 1), ("d", 0)]),
        # A quotation mark within a field that does not begin with one is a character, as everywhere.
        (b'text,label\na 5" disk,yes\nsay "no",no\n', [('a 5" disk', 1), ('say "no"', 0)]),
        (b'\xef\xbb\xbf"text",label\r\na,yes\r\n', [("a", 1)]),
        (b"text,label\n" + b"x" * 300_000 + b",yes\n", [("x" * 300_000, 1)]),
    ],
)
def test_csv(tmp_path, content, expected):
    assert read(write(tmp_path, content, ".csv"), skip=False)[0] == expected


@pytest.mark.parametrize(
    ("suffix", "bad", "message"),
    [
        (".tsv", b"\xffx\tyes", "line 3: text is not valid UTF-8: '\\udcffx'"),
        (".tsv", b"x\0\tyes", "line 3: text has a NUL byte: 'x\\x00'"),
        (".tsv", b"x", "line 3: 1 columns where the header has 2"),
        (".tsv", b"x\ty\tz", "line 3: 3 columns where the header has 2"),
        (".tsv", b"x\tY\xc3\x89S", "line 3: label 'Y\\xc9S' is none of no | yes"),
        (".csv", b'"x"y,yes', "line 3: not CSV: ',' expected after '\"'"),
        (".csv", b"\xffx,yes", "line 3: text is not valid UTF-8"),
        (".csv", b"x\0,yes", "line 3: text has a NUL byte"),
        (".csv", b"x", "line 3: 1 columns where the header has 2"),
        (".jsonl", b"{", "line 3: not JSON: "),
        (".jsonl", b"[1]", "line 3: no JSON object: '[1]'"),
        (".jsonl", b"[" * 100_000, "line 3: JSON is nested too deep"),
        (".jsonl", b'{"text": "a"}', "line 3: no column 'label' (label); it has 'text'"),
        (".jsonl", b'{"text": "\\ud800", "label": "yes"}', "line 3: text is not valid UTF-8"),
        (".jsonl", b'{"text": "\\u0000", "label": "yes"}', "line 3: text has a NUL byte"),
        (".jsonl", b'{"text": 1, "label": "yes"}', "line 3: text is no text: 1"),
        (".jsonl", b'{"text": "a", "label": ["yes"]}', "line 3: label ['yes'] is none of no | yes"),
        (".jsonl", b'{"text": "a", "label": null}', "line 3: label None is none of no | yes"),
        (".jsonl", b'{"text": "a", "label": ' + b"9" * 5000 + b"}", "line 3: not JSON: "),
    ],
)
def test_a_bad_row_is_named_or_left_out(tmp_path, suffix, bad, message):
    good = {
        ".tsv": [b"text\tlabel", b"a\tyes", b"b\tno"],
        ".csv": [b"text,label", b"a,yes", b"b,no"],
        ".jsonl": [b"", b'{"text": "a", "label": "yes"}', b'{"text": "b", "label": "no"}'],
    }[suffix]
    path = write(tmp_path, b"\n".join([*good[:2], bad, good[2]]), suffix)
    assert f"rows{suffix}, {message}" in refusal(read, path, skip=False)
    examples, bad_rows = read(path)
    assert (examples, bad_rows.count) == ([("a", 1), ("b", 0)], 1)
    assert message in bad_rows.first


OPEN = b'text,label\na,yes\n"b,no\n' + b"c,no\n" * 50 + b'"d, e",yes\n'


def test_an_open_quotation_mark_costs_its_line_alone(tmp_path):
    path = write(tmp_path, OPEN, ".csv")
    message = "rows.csv, line 3: a quotation mark is not closed in its line; "
    assert message + "multiline = true in task.toml" in refusal(read, path, skip=False)
    examples, bad_rows = read(path)
    assert examples == [("a", 1), *[("c", 0)] * 50, ("d, e", 1)]
    assert bad_rows.count == 1 and message in bad_rows.first


def test_a_field_may_be_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_rows, "_LARGEST_FIELD", 10)
    path = write(tmp_path, b"text,label\n" + b"x" * 11 + b",yes\na,yes\n", ".csv")
    examples, bad_rows = read(path)
    assert examples == [("a", 1)] and "line 2: not CSV: field larger than" in bad_rows.first


def test_fields_of_several_lines(tmp_path):
    path = write(tmp_path, b'text,label\n"a, ""b""\r\n\nc",yes\nd,no\n\n"e\n",x\n', ".csv")
    examples, bad_rows = read(path, multiline=True)
    assert examples == [('a, "b"\n\nc', 1), ("d", 0)]
    assert bad_rows.first.endswith("line 7: label 'x' is none of no | yes")
    assert bad_rows.count == 1


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (OPEN, "line 3: a quotation mark opens a field that runs to line 54, where it is not CSV"),
        (OPEN[:-12], "line 3: a quotation mark is never closed"),
        (
            OPEN[:-12] + b"c,no\n" * 20 + b'",yes\n',
            "line 3: a quotation mark is never closed",
        ),
        (b'text,label\n"a,yes\nb",yes,no\n', "line 2: 3 columns where the header has 2, and"),
        (b'text,"label\na,yes\n', "line 1: a quotation mark is never closed"),
    ],
)
def test_how_many_rows_an_open_quotation_mark_swallows_is_unknown(
    tmp_path, monkeypatch, content, message, skip
):
    monkeypatch.setattr(csv_rows, "_LARGEST_FIELD", 300)
    path = write(tmp_path, content, ".csv")
    refused = refusal(read, path, skip, multiline=True)
    assert f"rows.csv, {message}" in refused and "skip_bad_rows" not in refused


@pytest.mark.parametrize("header", [b'"text,label', b'text,"label"x', b"text\rlabel"])
def test_a_header_is_never_left_out(tmp_path, header):
    refused = refusal(read, write(tmp_path, header + b"\na,yes\nb,no\n", ".csv"))
    assert "rows.csv, line 1: " in refused and "skip_bad_rows" not in refused


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        ("text\tscore", COLUMNS, "no column 'label' (label); it has 'text', 'score'"),
        ("text\tlabel\tlabel", COLUMNS, "2 columns are called 'label' (label)"),
        ("text\tlabel", {"text": 0, "label": 2}, "no column 2 (label)"),
        ("text\tlabel", {"text": -3, "label": 1}, "no column -3 (text)"),
    ],
)
@pytest.mark.parametrize("skip", [False, True])
def test_a_missing_column_is_always_refused(tmp_path, header, columns, message, skip):
    path = write(tmp_path, f"{header}\na\tyes\n".encode(), ".tsv")
    assert message in refusal(read, path, skip, columns)


def test_names_need_a_header(tmp_path):
    path = write(tmp_path, b"a\tyes\n", ".tsv")
    unnamed = read_tsv(path, COLUMNS, BadRows(), header=False)
    assert "has no header: give column 'text' (text) by number" in refusal(list, unnamed)


def test_nested_columns(tmp_path):
    path = write(tmp_path, b'{"a": {"b": "x"}, "a.c": "y"}\n', ".jsonl")
    ((_, row),) = read_json_lines(path, {"text": "a.b", "text_pair": "a.c"}, BadRows())
    assert row == {"text": "x", "text_pair": "y"}


def texts(path, **options):
    read_rows = {".tsv": read_tsv, ".csv": read_csv}[path.suffix]
    rows = read_rows(path, {"text": 0}, BadRows(), **options)
    return [(source.place, row["text"]) for source, row in rows]


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_a_blank_line_of_a_file_with_one_column_is_a_row(tmp_path, suffix):
    path = write(tmp_path, b"\ntext\na\r\n\r\nb\n\n", suffix)
    assert texts(path) == [(3, "a"), (4, ""), (5, "b"), (6, "")]
    rows = [(1, ""), (2, "text"), (3, "a"), (4, ""), (5, "b"), (6, "")]
    assert texts(path, header=False) == rows


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_a_blank_line_between_rows_of_several_columns_is_no_row(tmp_path, suffix):
    content = b"\na,1\n\nb,2\n\n".replace(b",", b"\t" if suffix == ".tsv" else b",")
    path = write(tmp_path, content, suffix)
    assert texts(path, header=False) == [(2, "a"), (4, "b")]
    assert texts(path) == [(4, "b")]


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", zstandard.compress),
    ],
)
def test_compressed_files(tmp_path, suffix, compress):
    content = compress(b"text\tlabel\n" + b"a\tyes\n" * 50)
    path = tmp_path / f"rows.tsv{suffix}"
    path.write_bytes(content)
    assert read(tmp_path / "rows.tsv", skip=False)[0] == [("a", 1)] * 50
    path.write_bytes(content[:-3])
    assert f"rows.tsv{suffix}: corrupt or truncated" in refusal(read, tmp_path / "rows.tsv")


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl"])
def test_utf_16_is_named(tmp_path, suffix):
    path = write(tmp_path, "text\tlabel\na\tyes\n".encode("utf-16"), suffix)
    assert f"rows{suffix} is UTF-16 text" in refusal(read, path)


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (b"text\tlabel\ra\tyes\r", ".tsv"),
        (b"text,label\ra,yes", ".csv"),
        (b'\xef\xbb\xbf{"text": "a", "label": "no"}\r{"text": "b", "label": "no"}\r', ".jsonl"),
    ],
)
def test_lines_that_end_in_carriage_returns_are_named(tmp_path, content, suffix):
    """Otherwise the file would be one line, which as words in columns can even be read."""
    path = write(tmp_path, content, suffix)
    assert f"rows{suffix} has carriage returns" in refusal(read, path)


def test_a_carriage_return_in_a_line(tmp_path):
    path = write(tmp_path, b"text\tlabel\na\rb\tyes\n\r\tno", ".tsv")
    assert read(path, skip=False)[0] == [("a\rb", 1), ("\r", 0)]


def test_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "rows.tsv").mkdir()
    assert "rows.tsv does not exist" in refusal(read, tmp_path / "rows.tsv")


PIECES = [b"\t", b"\n", b"\r", b",", b'"', b"{", b"}", b"[", b":", b"\0", b"\xed\xa0\x80"]
PIECES += [b"a", b"yes", b'"text"', b'"label"', b'{"text": "a", "label": "yes"}']
CELLS = st.text(st.characters(exclude_characters="\t\n\r\0", exclude_categories=["Cs"]))


@settings(max_examples=60)
@given(cells=st.lists(CELLS, min_size=1))
@example(cells=["\ufeff", '"', "\x85", "\u2028"])
def test_any_text_survives_tsv(tmp_path_factory, cells):
    content = "text\tlabel\n" + "".join(f"{cell}\tyes\n" for cell in cells)
    path = write(tmp_path_factory.mktemp("rows"), content.encode(), ".tsv")
    assert read(path, skip=False)[0] == [(cell, 1) for cell in cells]


@settings(max_examples=60)
@given(cells=st.lists(st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))))
def test_any_text_survives_csv(tmp_path_factory, cells):
    text = io.StringIO()
    csv.writer(text).writerows([["text", "label"], *([cell, "yes"] for cell in cells)])
    path = write(tmp_path_factory.mktemp("rows"), text.getvalue().encode(), ".csv")
    assert read(path, skip=False, multiline=True)[0] == [(cell, 1) for cell in cells]
    if "\n" not in "".join(cells):
        assert read(path, skip=False)[0] == [(cell, 1) for cell in cells]


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl"])
@settings(max_examples=60)
@given(content=st.binary() | st.lists(st.sampled_from(PIECES)).map(b"".join))
def test_any_bytes_are_read_or_refused(tmp_path_factory, suffix, content):
    prefix = {".tsv": b"text\tlabel\n", ".csv": b"text,label\n", ".jsonl": b""}[suffix]
    path = write(tmp_path_factory.mktemp("rows"), prefix + content, suffix)
    try:
        examples, bad_rows = read(path)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        lines = content.replace(b"\r\n", b"\n").split(b"\n")
        assert len(examples) + bad_rows.count <= len(lines)
