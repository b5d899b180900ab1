"""The order in which the parts of a corpus are written.

The sections of a corpus are dealt out to eight lanes. Within a lane one section follows the other. The
lanes take turns, a part each, and a lane that has ended is passed over. So up to eight sections are read
at the same time with little memory, and the order is that of the corpus alone: it does not depend on
how many processes read, nor on their speed. The parts of a corpus of one section keep their order.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from lvbert_tf.records.corpus import Corpus, Section
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


def read_parts(corpus: Corpus) -> Iterator[ReadPart]:
    """Reads a corpus, in the order in which its parts are written.

    Raises:
        InputError: see `Corpus.read`.
    """
    lanes = enumerate(lanes_of(corpus.sections))
    return interleaved([_read_lane(sections, lane) for lane, sections in lanes])


def order_of(sections: Sequence[Section], parts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Computes the order of `read_parts` without reading.

    Args:
        sections: all sections of a corpus.
        parts: the number of parts of each section.

    Returns:
        Yields the section and the index of each part, in the order in which parts are written.
    """
    lanes = lanes_of(sections)
    return interleaved(
        [[(s.index, part) for s in lane for part in range(parts[s.index])] for lane in lanes]
    )


def _read_lane(sections: Iterable[Section], lane: int) -> Iterator[ReadPart]:
    tally = Tally()
    end = CorpusPart(0, 0, True, [])
    for section in sections:
        end = CorpusPart(0, 0, True, [], section.index)
        for part in divide_section(section.read(tally), section.index):
            yield ReadPart(part, lane, tally.take())
            end.index = part.index + 1
    if (rest := tally.take()) != Tally():
        yield ReadPart(end, lane, rest)
