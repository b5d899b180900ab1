"""Divides the tokens of a document into pre-training examples: [CLS] a [SEP] b [SEP].

The scheme is ELECTRA's. Lines are gathered up to a target length: the full length, or in one of twenty
examples a random shorter one. They are then divided into two segments near the middle, except in one of
ten examples, which has a single segment. Three things differ from the reference. A line that does not
fit is split, and the rest goes to the next example; the reference drops the rest. Segments keep the
order of the text: once the second one has begun, no line goes to the first. The random numbers are a
function of the part of the corpus, so that the result does not depend on how many processes build it.
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
class ExampleSpans:
    """Which tokens belong to each example: `a = tokens[start:split]`, `b = tokens[split:end]`.

    The attributes are int64 arrays of shape `[examples]`. `b` may be empty.
    """

    start: np.ndarray
    split: np.ndarray
    end: np.ndarray

    @property
    def first_lengths(self) -> np.ndarray:
        """The number of tokens of [CLS] a [SEP]."""
        return self.split - self.start + 2

    @property
    def lengths(self) -> np.ndarray:
        """The number of tokens of the whole example, without padding."""
        second = self.end - self.split
        return self.first_lengths + np.where(second > 0, second + 1, 0)


def random_draws(seed: int, part: int, section: int = 0) -> Iterator[list[float]]:
    """Yields rows of four uniform numbers without end: a function of the seed and the part's place.

    Args:
        seed: the seed of the build.
        part: the index of the part in its section.
        section: the index of the section in the corpus.
    """
    generator = np.random.default_rng([seed, part, section])
    while True:
        yield from generator.random((_DRAWS, 4)).tolist()


def choose_spans(
    line_ends: Sequence[int], begin: int, max_seq_length: int, draws: Iterator[list[float]]
) -> list[tuple[int, int, int]]:
    """Divides one document into examples. Together they hold every token, once and in order.

    Args:
        line_ends: the index of the token after each of the document's lines, non-decreasing.
        begin: the index of the document's first token.
        max_seq_length: the number of tokens that an example may have, [CLS] and [SEP] included; at
            least 5.
        draws: rows of four uniform numbers; each example uses one row.

    Returns:
        `(start, split, end)` of each example, as in `ExampleSpans`.
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
            # The line across the middle goes to either segment; the first line goes to the first one.
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


def as_arrays(spans: Sequence[tuple[int, int, int]]) -> ExampleSpans:
    """Turns what `choose_spans` returns into arrays."""
    return ExampleSpans(*np.asarray(spans, np.int64).reshape(-1, 3).T)
