"""Reads the documents of a corpus: plain text, JSON lines or a data set of TensorFlow Datasets."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lvbert_tf.errors import InputError
from lvbert_tf.io import streams
from lvbert_tf.io.files import check_encoding, expand_home
from lvbert_tf.io.tfds import TfdsText

CHUNK_BYTES = 1 << 20
# Small files are read together, so that they fill parts of the corpus together.
SECTION_BYTES = 4 << 20
_BLANK_LINES = re.compile(r"\n\s*\n")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
# The share of a file. A stray byte in a large crawl is left out; a file in another encoding is refused.
_MAX_UNDECODABLE = 1e-3


@dataclass
class Corpus:
    """A corpus: where its text is, and how it divides into documents.

    Args:
        location: comma-separated files, directories (read recursively) and
            `tfds:NAME[/config][:split]`. Files may be compressed (gzip, bzip2, xz, zstd) and may be
            tar archives; `.jsonl`, `.ndjson` and `.json` hold a JSON object a line, the rest is text.
        blanks_separate_docs: whether a blank line ends a document in a text file. If not, each
            file or archive member is one document. A JSON or TFDS record is always one.
        json_field: the field of a JSON or TFDS record that holds the text.
    """

    location: str
    blanks_separate_docs: bool = True
    json_field: str = "text"
    undecodable: int = 0  # characters read so far that were not UTF-8 and were left out
    texts_read: int = 0  # files and members of archives so far that were read as text
    records_read: int = 0  # files and members of archives with JSON, and TFDS sets

    def __post_init__(self):
        """Finds the files, so that a wrong location fails before any work."""
        self._texts: list[Path | TfdsText] = []
        self.total_bytes = 0
        for part in filter(None, (part.strip() for part in self.location.split(","))):
            if part.startswith("tfds:"):
                text = TfdsText.open(part, self.json_field)
                self._texts += text.divide()
                self.total_bytes += text.total_bytes
            else:
                files = streams.find_files(expand_home(part))
                self._texts += files
                self.total_bytes += sum(map(_stored_bytes, files))
        if not self._texts:
            raise InputError("no corpus given; it is a file, a directory or tfds:NAME")

    def sections(self) -> list["Corpus"]:
        """Divides the corpus between files into corpora that can be read independently of each other.

        A section has consecutive files, or pieces of data sets of TFDS, that together take at least
        `SECTION_BYTES` where they are stored. The division is a function of these sizes.
        """
        sections: list[Corpus] = []
        for text in self._texts:
            size = _stored_bytes(text)
            if sections and sections[-1].total_bytes < SECTION_BYTES:
                sections[-1]._texts.append(text)
                sections[-1].total_bytes += size
            else:
                section = copy.copy(self)
                section._texts, section.total_bytes = [text], size
                sections.append(section)
        return sections

    def read_sections(
        self, on_bytes: Callable[[int], object] = lambda count: None
    ) -> Iterator[Iterator[tuple[bool, str]]]:
        """Yields what `read` yields, by section. Each must be read before the next one is requested."""
        self.undecodable = self.texts_read = self.records_read = 0
        for section in self.sections():
            yield section.read(on_bytes)
            self.add_counts(section)

    def add_counts(self, section: "Corpus") -> None:
        """Adds what was counted while a section was read."""
        self.undecodable += section.undecodable
        self.texts_read += section.texts_read
        self.records_read += section.records_read

    def read(
        self, on_bytes: Callable[[int], object] = lambda count: None
    ) -> Iterator[tuple[bool, str]]:
        """Yields `(starts_document, text)` in order, where `text` is at most about 1 MiB of lines.

        A longer document comes in several texts, of which only the first one starts the document.

        Args:
            on_bytes: called with the number of bytes, of `total_bytes`, that were read since the last
                call.

        Raises:
            InputError: a file is corrupt, binary, not UTF-8, not JSON or without the field; the message
                names the file and the line or byte.
        """
        self.undecodable = self.texts_read = self.records_read = 0
        for location in self._texts:
            if isinstance(location, TfdsText):
                self.records_read += 1
                for text in location.read(on_bytes):
                    yield from _one_document(text)
                continue
            for name, stream in streams.open_streams(location, on_bytes):
                with streams.reading(name):
                    if streams.uncompressed_name(name).endswith(JSON_SUFFIXES):
                        self.records_read += 1
                        for text in _json_texts(stream, name, self.json_field):
                            yield from _one_document(text)
                    else:
                        self.texts_read += 1
                        yield from self._text_documents(stream, name)

    def _text_documents(self, stream: BinaryIO, name: str) -> Iterator[tuple[bool, str]]:
        starts = True
        for chunk in self._text_chunks(stream, name):
            # A chunk starts on a new line. With a line feed before it, a blank first line matches too.
            parts = _BLANK_LINES.split("\n" + chunk) if self.blanks_separate_docs else [chunk]
            for position, part in enumerate(parts):
                starts = starts or position > 0
                if part and not part.isspace():
                    yield starts, part
                    starts = False

    def _text_chunks(self, stream: BinaryIO, name: str) -> Iterator[str]:
        offset, rest = 0, b""
        while block := stream.read(CHUNK_BYTES):
            rest += block
            if cut := _last_break(rest):
                yield self._decode(rest[:cut], name, offset)
                offset, rest = offset + cut, rest[cut:]
        yield self._decode(rest, name, offset)

    def _decode(self, data: bytes, name: str, offset: int) -> str:
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
            self.undecodable += undecodable
            return text


def _stored_bytes(text: Path | TfdsText) -> int:
    return text.total_bytes if isinstance(text, TfdsText) else text.stat().st_size


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
        except ValueError as error:
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
