"""The order in which the parts of a corpus are written.

The sections of a corpus are dealt out to eight lanes. Within a lane one section follows the other. The
lanes take turns, a part each, and a lane that has ended is passed over. So up to eight sections are read
at the same time with little memory, and the order is that of the corpus alone: it does not depend on
how many processes read, nor on their speed. The parts of a corpus of one section keep their order. A
place in this order is a few numbers, so that reading can begin at any of them.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from lvbert_tf.records.corpus import Corpus, Section, Share
from lvbert_tf.records.corpus_parts import CorpusPart, divide_section
from lvbert_tf.records.documents import Tally

LANES = 8
T = TypeVar("T")


@dataclass(frozen=True)
class ReadPart:
    """A part, and what was read to get it.

    Attributes:
        part: the part; without texts if it stands for the end of a lane that has no text.
        lane: the index of its lane.
        tally: what was read of the lane since the part before.
    """

    part: CorpusPart
    lane: int
    tally: Tally


def lanes_of(sections: Iterable[Section]) -> list[list[Section]]:
    """Deals out sections: each goes to the first of the lanes that have the fewest bytes so far."""
    lanes: list[list[Section]] = [[] for _ in range(LANES)]
    sizes = [0] * LANES
    for section in sections:
        lane = sizes.index(min(sizes))
        lanes[lane].append(section)
        sizes[lane] += section.bytes
    return lanes


def interleaved(lanes: Sequence[Iterable[T]]) -> Iterator[T]:
    """Yields an item of each lane in turn; lanes that have ended are left out."""
    active = deque(iter(lane) for lane in lanes)
    while active:
        lane = active.popleft()
        for item in islice(lane, 1):
            yield item
            active.append(lane)


@dataclass
class Position:
    """A place in the order of the parts of a corpus.

    Attributes:
        passed: for each lane, the section and the index of its last part before the place; None if it
            has none.
        lane: the lane of the last part of all before the place.
    """

    passed: list[tuple[int, int] | None] = field(default_factory=lambda: [None] * LANES)
    lane: int = -1

    def move_past(self, read: ReadPart) -> None:
        """Moves the place behind the part that comes next."""
        self.passed[read.lane] = read.part.section, read.part.index
        self.lane = read.lane


@dataclass(frozen=True)
class Lane:
    """A lane that is read; iterating it reads it from its place to its end.

    Attributes:
        index: the index of the lane.
        sections: its sections.
        after: the section and the index of its last part before the place; None if it has none.
        share: parts that do not belong to it are left out.
    """

    index: int
    sections: tuple[Section, ...]
    after: tuple[int, int] | None
    share: Share

    def __iter__(self) -> Iterator[ReadPart]:
        """Reads the lane.

        Raises:
            InputError: see `Corpus.read`.
        """
        tally = Tally()
        end = CorpusPart(0, 0, True, [])
        for section in self.sections:
            if self.after and section.index < self.after[0]:
                continue
            end = CorpusPart(0, 0, True, [], section.index)
            for part in divide_section(section.read(tally), section.index):
                end.index = part.index + 1
                if self.share.has(section, part.index):
                    read = ReadPart(part, self.index, tally.take())
                    if self._is_behind(part):
                        yield read
        rest = ReadPart(end, self.index, tally.take())
        if rest.tally != Tally() and self._is_behind(end):
            yield rest

    def _is_behind(self, part: CorpusPart) -> bool:
        return self.after is None or (part.section, part.index) > self.after


def lanes_from(corpus: Corpus, position: Position) -> list[Lane]:
    """The lanes of a corpus or of a share of it that have sections, the one whose turn it is first.

    Args:
        corpus: the corpus.
        position: where reading begins. Sections that are partly before it are read from their start,
            since compressed files can be read in no other way, but what is before it is left out.
    """
    lanes = [
        Lane(index, tuple(sections), after, corpus.share)
        for index, (sections, after) in enumerate(
            zip(lanes_of(corpus.sections), position.passed, strict=True)
        )
    ]
    turn = position.lane + 1
    return [lane for lane in lanes[turn:] + lanes[:turn] if lane.sections]


def order_of(sections: Sequence[Section], parts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Computes the order in which parts are written, without reading.

    Args:
        sections: all sections of a corpus, not of a share.
        parts: the number of parts of each section.

    Returns:
        Yields the section and the index of each part, in the order in which parts are written.
    """
    lanes = lanes_of(sections)
    return interleaved(
        [[(s.index, part) for s in lane for part in range(parts[s.index])] for lane in lanes]
    )
