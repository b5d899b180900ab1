"""Divides a corpus into parts that are tokenized independently of each other.

The records of a part depend only on its text, its index and the settings, so any number of processes
writes the same files.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

# A part ends with the document in which it reaches this length, and with each section of the corpus.
PART_CHARACTERS = 1 << 20
# If it reaches this length before, it ends inside the document. The document then goes on in the next
# part, which costs one example that is not full.
_MAX_PART_CHARACTERS = 4 * PART_CHARACTERS


@dataclass
class CorpusPart:
    """Consecutive documents of a corpus, about `PART_CHARACTERS` long.

    Attributes:
        index: the number of the part, from 0.
        document: the index of the first document in the corpus.
        starts: whether the first text is the beginning of that document; False if the document goes on
            from the part before.
        texts: one string for each document, its lines joined by line feeds.
    """

    index: int
    document: int
    starts: bool
    texts: list[str]

    @property
    def document_end(self) -> int:
        """The index after that of the last document."""
        return self.document + len(self.texts)

    def after(self, parts: int, documents: int) -> "CorpusPart":
        """The same part, with so many parts and documents before its section."""
        return replace(self, index=parts + self.index, document=documents + self.document)


def divide_corpus(sections: Iterable[Iterable[tuple[bool, str]]]) -> Iterator[CorpusPart]:
    """Gathers `(starts_document, text)`, as `Corpus.read_sections` yields them, into parts."""
    parts = documents = 0
    for texts in sections:
        part = None
        for part in divide_section(texts):
            yield part.after(parts, documents)
        if part:
            parts, documents = parts + part.index + 1, documents + part.document_end


def divide_section(texts: Iterable[tuple[bool, str]]) -> Iterator[CorpusPart]:
    """Gathers `(starts_document, text)` into parts, as if nothing came before them."""
    part = None
    document, length = -1, 0
    for starts, text in texts:
        document += starts
        if part is None or length >= (PART_CHARACTERS if starts else _MAX_PART_CHARACTERS):
            if part:
                yield part
            part = CorpusPart(part.index + 1 if part else 0, document, starts, [text])
            length = 0
        elif starts:
            part.texts.append(text)
        else:
            part.texts[-1] += "\n" + text
        length += len(text)
    if part:
        yield part
