"""Learns a vocabulary from a corpus, with any number of processes."""

import functools
from collections import Counter
from collections.abc import Callable, Generator

from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.corpus_order import Position
from lvbert_tf.records.corpus_parts import CorpusPart
from lvbert_tf.records.corpus_reading import read_corpus
from lvbert_tf.records.part_pool import map_parts


def learn_from_corpus(
    corpus: Corpus,
    size: int,
    lowercase: bool,
    strip_accents: bool,
    num_processes: int,
    on_bytes: Callable[[int], object] = lambda count: None,
) -> list[str]:
    """Learns a WordPiece vocabulary; see `text.learn_vocabulary`.

    Counts are exact, and adding them up needs no order. So the tokens are those that one process would
    learn from all texts of the corpus.

    Args:
        corpus: the corpus.
        size: the number of tokens.
        lowercase: whether the tokenizer will lower-case.
        strip_accents: whether the tokenizer will remove accents.
        num_processes: see `read_corpus` and `map_parts`.
        on_bytes: called with the number of bytes, of `corpus.total_bytes`, that were read since the last
            call.

    Raises:
        InputError: see `learn_vocabulary` and `read_corpus`.
    """
    from lvbert_tf.text.word_counts import WordCounts  # loads TensorFlow
    from lvbert_tf.text.wordpiece_learner import check_size, learn_from_counts

    check_size(size)

    def parts() -> Generator[CorpusPart, None, None]:
        for read in read_corpus(corpus, Position(), num_processes):
            on_bytes(read.tally.bytes)
            yield read.part

    make = functools.partial(_PartCounter, lowercase, strip_accents)
    with WordCounts() as words:
        for counts in map_parts(parts(), make, num_processes):
            words.add(counts)
        return learn_from_counts(words.most_frequent(), size)


class _PartCounter:
    """Counts the words of a part of a corpus; line by line, so that memory is bounded."""

    def __init__(self, lowercase: bool, strip_accents: bool):
        from lvbert_tf.text.word_counts import WordCounter

        self._count = WordCounter(lowercase, strip_accents)

    def __call__(self, part: CorpusPart) -> dict[bytes, int]:
        total: Counter[bytes] = Counter()
        for counts in self._count(line for text in part.texts for line in text.split("\n")):
            total.update(counts)
        return total
