"""Reads documents: plain text, JSON lines, rows of Parquet files, records of TensorFlow Datasets."""

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from lvbert_tf.errors import InputError
from lvbert_tf.io import streams
from lvbert_tf.io.files import check_encoding
from lvbert_tf.io.streams import FoundFile
from lvbert_tf.io.tfds import TfdsText
from lvbert_tf.records.parquet_files import ParquetRows

CHUNK_BYTES = 1 << 20
_BLANK_LINES = re.compile(r"\n\s*\n")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
# The share of a file. A stray byte in a large crawl is left out; a file in another encoding is refused.
_MAX_UNDECODABLE = 1e-3

Source = FoundFile | TfdsText | ParquetRows


@dataclass
class Tally:
    """How much was read.

    Attributes:
        bytes: the bytes on the disk, of the corpus's `total_bytes`.
        undecodable: the characters that were not UTF-8 and were left out.
        texts: the files and members of archives that were read as text.
        records: the files and members of archives with JSON, pieces of Parquet files and of TFDS sets.
    """

    bytes: int = 0
    undecodable: int = 0
    texts: int = 0
    records: int = 0

    def add(self, other: "Tally") -> None:
        """Adds what was read besides."""
        for name, count in dataclasses.asdict(other).items():
            setattr(self, name, getattr(self, name) + count)

    def take(self) -> "Tally":
        """Returns what was read since the last call, and begins again."""
        taken = dataclasses.replace(self)
        self.bytes = self.undecodable = self.texts = self.records = 0
        return taken


@dataclass(frozen=True)
class DocumentFormat:
    """How documents are found in files: see `Corpus`."""

    blanks_separate_docs: bool
    json_field: str


def read_documents(
    source: Source, document_format: DocumentFormat, tally: Tally
) -> Iterator[tuple[bool, str]]:
    """Reads the documents of a file or a data set.

    Args:
        source: the file, or the piece of one or of a data set.
        document_format: how documents are found in it.
        tally: counts what is read.

    Returns:
        Yields `(starts_document, text)` in order; see `Corpus.read`.
    """

    def count_bytes(count: int) -> None:
        tally.bytes += count

    if not isinstance(source, FoundFile):
        tally.records += 1
        for text in source.read(count_bytes):
            yield from _one_document(text)
        return
    for name, stream in streams.open_streams(source.path, count_bytes):
        with streams.reading(name):
            if streams.uncompressed_name(name).endswith(JSON_SUFFIXES):
                tally.records += 1
                for text in _json_texts(stream, name, document_format.json_field):
                    yield from _one_document(text)
            else:
                tally.texts += 1
                chunks = _text_chunks(stream, name, tally)
                yield from _text_documents(chunks, document_format.blanks_separate_docs)


def _text_documents(
    chunks: Iterable[str], blanks_separate_docs: bool
) -> Iterator[tuple[bool, str]]:
    starts = True
    for chunk in chunks:
        # A chunk starts on a new line. With a line feed before it, a blank first line matches too.
        parts = _BLANK_LINES.split("\n" + chunk) if blanks_separate_docs else [chunk]
        for position, part in enumerate(parts):
            starts = starts or position > 0
            if part and not part.isspace():
                yield starts, part
                starts = False


def _text_chunks(stream: BinaryIO, name: str, tally: Tally) -> Iterator[str]:
    offset, rest = 0, b""
    while block := stream.read(CHUNK_BYTES):
        rest += block
        if cut := _last_break(rest):
            yield _decode(rest[:cut], name, offset, tally)
            offset, rest = offset + cut, rest[cut:]
    yield _decode(rest, name, offset, tally)


def _decode(data: bytes, name: str, offset: int, tally: Tally) -> str:
    if offset == 0:
        check_encoding(data, name)
    if (at := data.find(b"\0")) >= 0:
        raise InputError(
            f"{name}: binary data, a NUL byte at offset {offset + at}; a corpus is UTF-8 text"
        )
    if offset == 0:
        data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        text = data.decode(errors="ignore")
        undecodable = len(data.decode(errors="replace")) - len(text)
        if undecodable > _MAX_UNDECODABLE * (offset + len(data)):
            raise InputError(
                f"{name}: not UTF-8 text, byte 0x{data[error.start]:02x} at offset"
                f" {offset + error.start}; convert it to UTF-8"
            ) from error
        tally.undecodable += undecodable
        return text


def _last_break(block: bytes) -> int:
    """Where to cut: after the last whole line; in a line without an end after a word or a character."""
    if cut := block.rfind(b"\n") + 1:
        return cut
    if len(block) < CHUNK_BYTES:
        return 0
    if cut := block.rfind(b" ") + 1:
        return cut
    cut = len(block) - 1
    while cut > 1 and 0x80 <= block[cut] < 0xC0:
        cut -= 1
    return cut


def _json_texts(stream: BinaryIO, name: str, field: str) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        if number == 1:
            check_encoding(line, name)
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{name}, line {number}: not JSON: {error}") from error
        if not isinstance(record, dict) or not isinstance(record.get(field), str):
            known = sorted(record) if isinstance(record, dict) else type(record).__name__
            raise InputError(
                f"{name}, line {number}: no text in field {field!r}; the record has {known}"
            )
        yield record[field]


def _one_document(text: str) -> Iterator[tuple[bool, str]]:
    starts = True
    while text and not text.isspace():
        cut = len(text)
        if cut > CHUNK_BYTES:
            cut = text.rfind("\n", 0, CHUNK_BYTES) + 1 or text.rfind(" ", 0, CHUNK_BYTES) + 1
            cut = cut or CHUNK_BYTES
        yield starts, text[:cut]
        starts, text = False, text[cut:]
