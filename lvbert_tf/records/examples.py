"""Packs a document's tokens into pre-training examples: [CLS] a [SEP] b [SEP].

The scheme is ELECTRA's: lines are gathered up to the target length, which is the full length but
for one example in twenty, and divided in two segments near the middle but for one in ten. Three
things differ from the reference. A line that does not fit is split and carried on to the next
example, where the reference drops what is over. Segments keep the order of the text: once the
second has begun, nothing more goes to the first. And random draws belong to a unit of text, so
that the result does not depend on how many processes build it.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

MIN_LENGTH = 5
SHORT_EXAMPLE_RATE = 0.05
SINGLE_SEGMENT_RATE = 0.1
_DRAWS = 1024


@dataclass(frozen=True)
class Spans:
    """Where examples lie in a run of tokens: `a = tokens[start:split]`, `b = tokens[split:end]`.

    Arrays of shape `[examples]`, int64; `b` may be empty.
    """

    start: np.ndarray
    split: np.ndarray
    end: np.ndarray

    @property
    def first_lengths(self) -> np.ndarray:
        """Length of [CLS] a [SEP], in tokens."""
        return self.split - self.start + 2

    @property
    def lengths(self) -> np.ndarray:
        """Length of the whole example without padding, in tokens."""
        second = self.end - self.split
        return self.first_lengths + np.where(second > 0, second + 1, 0)


def random_draws(seed: int, unit: int) -> Iterator[list[float]]:
    """Endless rows of four uniform numbers, a pure function of the seed and the unit's index."""
    generator = np.random.default_rng([seed, unit])
    while True:
        yield from generator.random((_DRAWS, 4)).tolist()


def pack(
    line_ends: Sequence[int], begin: int, max_seq_length: int, draws: Iterator[list[float]]
) -> list[tuple[int, int, int]]:
    """Divides one document into examples; together they hold every token, once and in order.

    Args:
        line_ends: end of each of the document's lines in the run of tokens, non-decreasing.
        begin: start of its first line.
        max_seq_length: tokens an example may have, [CLS] and [SEP] included; at least 5.
        draws: rows of four uniform numbers, one used up by each example.

    Returns:
        `(start, split, end)` of each example, as in `Spans`.
    """
    spans = []
    start, last = begin, line_ends[-1] if line_ends else begin
    while start < last:
        short, short_length, single, stay = next(draws)
        target = max_seq_length
        if short < SHORT_EXAMPLE_RATE:
            target = MIN_LENGTH + int(short_length * (max_seq_length - MIN_LENGTH + 1))
        one_segment = single < SINGLE_SEGMENT_RATE

        room = target - (2 if one_segment else 3)
        gathered = bisect_left(line_ends, start + room)
        end = line_ends[gathered] if gathered < len(line_ends) else last
        end = min(end, start + max_seq_length - 2)

        split = end
        if not one_segment:
            half = start + (target - 3) // 2
            crossing = bisect_left(line_ends, half)
            before = line_ends[crossing - 1] if crossing else start
            # The line that crosses the middle goes to either side; the first line to the first.
            if before > start and stay >= 0.5:
                split = before
            elif crossing < len(line_ends):
                split = line_ends[crossing]
            if split < end:
                end = max(split, min(end, start + max_seq_length - 3))
            split = min(split, end)
        spans.append((start, split, end))
        start = end
    return spans


def as_spans(spans: Sequence[tuple[int, int, int]]) -> Spans:
    """Turns what `pack` returns into arrays."""
    return Spans(*np.asarray(spans, np.int64).reshape(-1, 3).T)
