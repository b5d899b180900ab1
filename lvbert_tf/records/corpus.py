"""A corpus: the files and data sets that it is in, and the sections that they make."""

import copy
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lvbert_tf.errors import InputError
from lvbert_tf.io import streams
from lvbert_tf.io.files import expand_home
from lvbert_tf.io.streams import FoundFile
from lvbert_tf.io.tfds import TfdsText
from lvbert_tf.records.documents import DocumentFormat, Source, Tally, read_documents
from lvbert_tf.records.parquet_files import ParquetRows

# Small files are read together, so that they fill parts of the corpus together.
SECTION_BYTES = 4 << 20


@dataclass(frozen=True)
class Section:
    """Consecutive files of a corpus. Sections can be read independently of each other.

    Attributes:
        index: the number of the section in the corpus, from 0.
        start: the number of bytes of all sections before it.
        bytes: its own number of bytes: `SECTION_BYTES` or more, but for the last section.
        sources: the files, or pieces of Parquet files or of data sets of TFDS.
        format: how documents are found in them.
    """

    index: int
    start: int
    bytes: int
    sources: tuple[Source, ...]
    format: DocumentFormat

    def read(self, tally: Tally | None = None) -> Iterator[tuple[bool, str]]:
        """Yields the documents of the section; see `Corpus.read`."""
        for source in self.sources:
            yield from read_documents(source, self.format, tally or Tally())


@dataclass(frozen=True)
class Share:
    """One of several shares of a corpus, which can be built on different machines.

    Each part of a section stands for a point of the corpus's bytes: the first one for the section's
    first byte, the others for points that are spread evenly over the section (multiples of the golden
    ratio). A share has the parts whose points are in its interval of the bytes. So most sections are
    read for one share only, and a corpus of one large file can be divided nevertheless.

    Attributes:
        number: which of the shares, 1 to `count`.
        count: the number of shares.
        total_bytes: the size of the whole corpus.
    """

    number: int
    count: int
    total_bytes: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, section: Section, part: int) -> bool:
        """Whether a part of a section belongs to the share."""
        fraction = part * 0x9E3779B9 % (1 << 32)  # in units of 2**-32
        return self._owner(section.start + (fraction * section.bytes >> 32)) == self.number

    def reads(self, section: Section) -> bool:
        """Whether any part of a section may belong to the share."""
        last = section.start + max(0, section.bytes - 1)
        return self._owner(section.start) <= self.number <= self._owner(last)

    def _owner(self, point: int) -> int:
        return min(self.count, 1 + point * self.count // max(1, self.total_bytes))


@dataclass
class Corpus:
    """A corpus: where its text is, and how it divides into documents.

    Args:
        location: comma-separated files, directories (read recursively) and
            `tfds:NAME[/config][:split]`. Files may be compressed (gzip, bzip2, xz, zstd) and may be
            tar archives; `.jsonl`, `.ndjson` and `.json` hold a JSON object a line, Parquet files a row
            a document, the rest is text.
        blanks_separate_docs: whether a blank line ends a document in a text file. If not, each
            file or archive member is one document. A JSON or TFDS record and a row are always one.
        json_field: the field of a JSON or TFDS record, or the column of a Parquet file, with the text.

    Attributes:
        sections: what the corpus consists of, in order. They are a function of the sizes of the files.
        total_bytes: the size of the files on the disk.
        share: which share of a larger corpus this is; the only one unless `divided` made it.
    """

    location: str
    blanks_separate_docs: bool = True
    json_field: str = "text"
    sections: tuple[Section, ...] = field(init=False)
    total_bytes: int = field(init=False)
    share: Share = field(init=False)

    def __post_init__(self):
        """Finds the files, so that a wrong location fails before any work."""
        sources: list[Source] = []
        whole = self.location.strip()
        # A path may have commas itself.
        parts = [whole] if os.path.exists(expand_home(whole)) else whole.split(",")
        for part in filter(None, (part.strip() for part in parts)):
            if part.startswith("tfds:"):
                sources += TfdsText.open(part, self.json_field).divide()
            else:
                for file in streams.find_files(expand_home(part)):
                    sources += self._pieces(file)
        if not sources:
            raise InputError("no corpus given; it is a file, a directory or tfds:NAME")
        document_format = DocumentFormat(self.blanks_separate_docs, self.json_field)
        self.sections = tuple(_sections(sources, document_format))
        self.total_bytes = sum(section.bytes for section in self.sections)
        self.share = Share(1, 1, self.total_bytes)

    def _pieces(self, file: FoundFile) -> list[Source]:
        if file.is_parquet:
            return [*ParquetRows.find(file, self.json_field, SECTION_BYTES)]
        return [file]

    def divided(self, number: int, count: int) -> "Corpus":
        """Returns one of several shares of the corpus, which together have every part once.

        A share is a corpus of the sections that hold its parts; parts of others in them are left out by
        `corpus_order`, and by nothing else. It depends on the order and the sizes of the files only.

        Args:
            number: which of the shares, 1 to `count`.
            count: the number of shares.
        """
        share = Share(number, count, self.total_bytes)
        corpus = copy.copy(self)
        corpus.share = share
        corpus.sections = tuple(filter(share.reads, self.sections))
        corpus.total_bytes = sum(section.bytes for section in corpus.sections)
        return corpus

    def read(self, tally: Tally | None = None) -> Iterator[tuple[bool, str]]:
        """Yields `(starts_document, text)` in order, where `text` is at most about 1 MiB of lines.

        A longer document comes in several texts, of which only the first one starts the document.

        Args:
            tally: counts what is read.

        Raises:
            InputError: a file is corrupt, binary, not UTF-8, not JSON or without the field; the message
                names the file and the line or byte.
        """
        for section in self.sections:
            yield from section.read(tally)

    def has_no_text(self) -> InputError:
        """The error that there is no text in the corpus, or in its share."""
        if self.share.count == 1:
            return InputError(f"no text in the corpus: {self.location}")
        return InputError(
            f"no text in part {self.share} of the corpus: {self.location}; it is divided between every"
            " million characters: ask for fewer parts"
        )

    def fingerprint(self) -> str:
        """A hash of the files' names, sizes and times of modification, and of how they are read."""
        digest = hashlib.sha256()
        for section in self.sections:
            digest.update(f"{section.format}\n".encode())
            for source in section.sources:
                digest.update(f"{source.identity!r}\n".encode())
        return digest.hexdigest()


def _sections(sources: Iterable[Source], document_format: DocumentFormat) -> Iterator[Section]:
    index = start = size = 0
    gathered: list[Source] = []
    for source in sources:
        gathered.append(source)
        size += source.bytes
        if size >= SECTION_BYTES:
            yield Section(index, start, size, tuple(gathered), document_format)
            index, start, size, gathered = index + 1, start + size, 0, []
    if gathered:
        yield Section(index, start, size, tuple(gathered), document_format)
