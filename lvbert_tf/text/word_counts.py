"""Counts the words of texts: exactly, and alike however the texts are divided among processes."""

import collections
import contextlib
import heapq
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

import tensorflow as tf

from lvbert_tf.text.vocabulary import UNK
from lvbert_tf.text.words import WordSplitter

# A limit of memory, which hardly changes a vocabulary: the number of distinct words it is learned from.
MAX_DISTINCT_WORDS = 4_000_000
_BATCH_BYTES = 1 << 20


class WordCounter:
    """Counts the words of texts, a batch at a time.

    Args:
      lowercase: see `WordSplitter`.
      strip_accents: see `WordSplitter`.
    """

    def __init__(self, lowercase: bool, strip_accents: bool):
        splitter = WordSplitter(lowercase, strip_accents)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def count(strings):
            words, _, counts = tf.unique_with_counts(splitter(strings).flat_values)
            return words, counts

        self._count = count

    def __call__(
        self, texts: Iterable[str], progress: Callable[[int], None] | None = None
    ) -> Iterator[dict[bytes, int]]:
        """Yields how often each word occurs in about a megabyte of texts; too long words are left out.

        Args:
          texts: strings of any length.
          progress: called with the number of texts of each batch.
        """
        for batch in _batches(texts):
            words, counts = self._count(tf.constant(batch))
            counted = dict(zip(words.numpy().tolist(), counts.numpy().tolist(), strict=True))
            counted.pop(UNK.encode(), None)  # which stands for words that are too long
            yield counted
            if progress is not None:
                progress(len(batch))


def _batches(texts: Iterable[str]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    num_bytes = 0
    for text in texts:
        # JSON can hold half of a surrogate pair, which UTF-8 cannot; it is left out.
        batch.append(text.encode("utf-8", "ignore"))
        num_bytes += len(batch[-1])
        if num_bytes >= _BATCH_BYTES:
            yield batch
            batch, num_bytes = [], 0
    if batch:
        yield batch


class WordCounts(contextlib.ExitStack):
    """The sum of counts, in bounded memory: what does not fit goes to temporary files, which are merged.

    It is a context, at whose end the files are removed.

    Args:
      limit: the number of distinct words that are held in memory, and that `most_frequent` returns.
    """

    def __init__(self, limit: int = MAX_DISTINCT_WORDS):
        super().__init__()
        self._limit = limit
        self._in_memory: collections.Counter[bytes] = collections.Counter()
        self._files: list[BinaryIO] = []

    def add(self, counts: Mapping[bytes, int]) -> None:
        """Adds counts of words, which hold no white space."""
        self._in_memory.update(counts)
        if len(self._in_memory) > self._limit:
            file = self.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
            file.writelines(b"%s %d\n" % item for item in sorted(self._in_memory.items()))
            self._files.append(file)
            self._in_memory.clear()

    def most_frequent(self) -> dict[str, int]:
        """The words in alphabetical order, without the rarest if there are too many: `least_kept`."""
        classes = collections.Counter(frequency_class(count) for _, count in self._sums())
        least = least_kept(classes, self._limit)
        return {
            word.decode(): count for word, count in self._sums() if frequency_class(count) >= least
        }

    def _sums(self) -> Iterator[tuple[bytes, int]]:
        for file in self._files:
            file.seek(0)
        stored = (_parse(file) for file in self._files)
        merged = heapq.merge(sorted(self._in_memory.items()), *stored)
        for word, items in itertools.groupby(merged, key=lambda item: item[0]):
            yield word, sum(count for _, count in items)


def _parse(lines: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    for line in lines:
        word, count = line.split()
        yield word, int(count)


def frequency_class(count: int) -> int:
    """Classes of frequency: 0 for one occurrence, 1 for two, 2 for up to four, 3 for up to eight."""
    return (count - 1).bit_length()


def least_kept(classes: Mapping[int, int], limit: int) -> int:
    """The lowest class of frequency that is kept, so that `limit` words or fewer are.

    Args:
      classes: the number of words of each class.
      limit: the greatest number of words.
    """
    kept = sum(classes.values())
    for least in itertools.count():
        if kept <= limit:
            return least
        kept -= classes.get(least, 0)
    raise AssertionError
