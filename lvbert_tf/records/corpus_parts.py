"""Divides a corpus into parts that are tokenized independently of each other.

The records of a part depend only on its text, its place (which section of the corpus, which part of the
section) and the settings. So any number of processes and machines writes the same records.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# A part ends with the document in which it reaches this length, and with its section of the corpus.
PART_CHARACTERS = 1 << 20
# If it reaches this length before, it ends inside the document. The document then goes on in the next
# part, which costs one example that is not full.
_MAX_PART_CHARACTERS = 4 * PART_CHARACTERS


@dataclass
class CorpusPart:
    """Consecutive documents of a section of a corpus, about `PART_CHARACTERS` long.

    Attributes:
        index: the number of the part in its section, from 0.
        document: the index of the first document in the section.
        starts: whether the first text is the beginning of that document; False if the document goes on
            from the part before.
        texts: one string for each document, its lines joined by line feeds.
        section: the index of the section in the corpus.
    """

    index: int
    document: int
    starts: bool
    texts: list[str]
    section: int = 0


def divide_section(texts: Iterable[tuple[bool, str]], section: int = 0) -> Iterator[CorpusPart]:
    """Gathers `(starts_document, text)`, as `Section.read` yields them, into parts.

    Args:
        texts: the texts of one section.
        section: the index of the section in the corpus.
    """
    part = None
    document, length = -1, 0
    for starts, text in texts:
        document += starts
        if part is None or length >= (PART_CHARACTERS if starts else _MAX_PART_CHARACTERS):
            if part:
                yield part
            index = part.index + 1 if part else 0
            part = CorpusPart(index, document, starts, [text], section)
            length = 0
        elif starts:
            part.texts.append(text)
        else:
            part.texts[-1] += "\n" + text
        length += len(text)
    if part:
        yield part
