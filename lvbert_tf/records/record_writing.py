"""Writes the records of a corpus, and can go on from what a killed process has written."""

import collections
import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Generator
from typing import Any

from lvbert_tf.io.unfinished import Unfinished
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.corpus_order import Position, ReadPart
from lvbert_tf.records.corpus_parts import CorpusPart
from lvbert_tf.records.corpus_reading import read_corpus
from lvbert_tf.records.documents import Tally
from lvbert_tf.records.manifest import Split
from lvbert_tf.records.part_encoder import PartEncoder
from lvbert_tf.records.part_pool import map_parts
from lvbert_tf.records.shard_layout import ShardLimits
from lvbert_tf.records.shard_writer import LostShard
from lvbert_tf.records.split_writer import SplitWriter
from lvbert_tf.records.unknown_words import VocabularyFit

# A kill costs so much work. Saving waits for the disk.
SECONDS_BETWEEN_SAVES = 5.0


class RecordWriting:
    """Writes the training and the held-out records of a corpus, part by part.

    Args:
        unfinished: where they are written; its state is taken up.
        limits: how the training and the held-out records are divided into shards.

    Attributes:
        tally: what was read of the corpus for the records that are written.
        lost: why the state that was there is of no use; None if it is, or if there was none.
    """

    def __init__(self, unfinished: Unfinished, limits: tuple[ShardLimits, ShardLimits]):
        self._unfinished = unfinished
        self._limits = limits
        self._begin()
        self.lost: str | None = None
        if unfinished.state is not None:
            try:
                self._restore(unfinished.state)
            except LostShard as error:
                self.lost = str(error)
                self.abandon()
                unfinished.begin_again()
                self._begin()

    def _begin(self) -> None:
        self._training, self._held_out = (
            SplitWriter(self._unfinished.directory, *dataclasses.astuple(limits))
            for limits in self._limits
        )
        self._position, self.tally = Position(), Tally()
        self._complete = False

    def write(
        self,
        corpus: Corpus,
        fit: VocabularyFit,
        num_processes: int,
        on_bytes: Callable[[int], object],
    ) -> None:
        """Writes all records of a corpus that are not written yet.

        Args:
            corpus: the corpus.
            fit: judges the vocabulary by what is written, and knows how it is tokenized.
            num_processes: see `read_corpus` and `map_parts`.
            on_bytes: see `build_dataset`.

        Raises:
            InputError: see `build_dataset`.
        """
        on_bytes(self.tally.bytes)
        if self._complete:
            return
        training, held_out = self._training, self._held_out
        waiting: collections.deque[ReadPart] = collections.deque()

        def parts() -> Generator[CorpusPart, None, None]:
            for read in read_corpus(corpus, self._position, num_processes):
                waiting.append(read)
                yield read.part

        encoder = functools.partial(PartEncoder, fit.encoding)
        saved = time.monotonic()
        with contextlib.closing(parts()) as todo:
            for encoded in map_parts(fit.watch(todo), encoder, num_processes):
                training.write(encoded[0])
                held_out.write(encoded[1])
                fit.check(training.counts, held_out.counts)
                written = waiting.popleft()
                self._position.move_past(written)
                self.tally.add(written.tally)
                on_bytes(written.tally.bytes)
                if time.monotonic() - saved >= SECONDS_BETWEEN_SAVES:
                    self._save()
                    saved = time.monotonic()
        fit.check(training.counts, held_out.counts, complete=True)
        if not training.counts.examples:
            raise corpus.has_no_text()
        training.close()
        held_out.close()
        self._complete = True
        self._save()

    def finish(self) -> tuple[Split, Split]:
        """Gives the shards their names; describes the training and the held-out records."""
        return self._training.finish(), self._held_out.finish()

    def abandon(self) -> None:
        """Closes the files after a failure."""
        self._training.abandon()
        self._held_out.abandon()

    def _save(self) -> None:
        self._unfinished.save(
            {
                "training": self._training.save(),
                "held_out": self._held_out.save(),
                "passed": self._position.passed,
                "lane": self._position.lane,
                "tally": dataclasses.asdict(self.tally),
                "complete": self._complete,
            }
        )

    def _restore(self, state: dict[str, Any]) -> None:
        self._training.restore(state["training"])
        self._held_out.restore(state["held_out"])
        passed = [None if place is None else (place[0], place[1]) for place in state["passed"]]
        self._position = Position(passed, state["lane"])
        self.tally = Tally(**state["tally"])
        self._complete = state["complete"]
