"""Counts the words of a corpus with Apache Beam, for learning a vocabulary."""

import collections
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import apache_beam as beam
from apache_beam.pvalue import AsIter, AsSingleton
from apache_beam.utils.shared import Shared

from lvbert_tf.errors import InputError
from lvbert_tf.io.objects import StoreError
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.shared_directories import shared_draft
from lvbert_tf.io.whole import replace_file
from lvbert_tf.quiet_import import import_tensorflow
from lvbert_tf.records.beam_engine import BeamEngine
from lvbert_tf.records.corpus import Corpus, Section

# Workers add up so many words before they pass them on.
_WORDS_AT_ONCE = 500_000
_FILES = 64
_ERROR = "error.json"


def count_words(
    corpus: Corpus, lowercase: bool, strip_accents: bool, engine: BeamEngine, beside: Path
) -> dict[str, int]:
    """Counts the words of a corpus, as `WordCounts` does.

    Args:
        corpus: the text. All workers can read its files.
        lowercase: see `learn_vocabulary`.
        strip_accents: see `learn_vocabulary`.
        engine: runs the pipeline.
        beside: a path in whose directory all workers can write; the counts are there for a while.

    Raises:
        InputError: a file cannot be read, or the pipeline failed.
    """
    from lvbert_tf.text.word_counts import MAX_DISTINCT_WORDS

    with shared_draft(beside) as directory:
        engine.run(
            lambda pipeline: _construct(
                pipeline, corpus, _Count(lowercase, strip_accents), MAX_DISTINCT_WORDS, directory
            )
        )
        if error := json.loads((directory / _ERROR).read_bytes()):
            raise InputError(error)
        counts: dict[str, int] = {}
        for file in directory.glob("words-*"):
            counts.update(json.loads(file.read_bytes()))
    return dict(sorted(counts.items(), key=lambda item: item[0].encode()))


def _construct(
    pipeline: beam.Pipeline, corpus: Corpus, count: "_Count", limit: int, directory: Path
) -> None:
    counted = (
        pipeline
        | "Sections" >> beam.Create(list(corpus.sections))
        | "Spread sections" >> beam.Reshuffle()
        | "Count" >> beam.ParDo(count).with_outputs("errors", main="counts")
    )
    sums = counted.counts | "Add up" >> beam.CombinePerKey(sum)
    classes = (
        sums | "Classes" >> beam.Map(_class_of) | "Count classes" >> beam.combiners.Count.PerKey()
    )
    least = AsSingleton(
        pipeline
        | "Choose once" >> beam.Create([None])
        | "Choose" >> beam.Map(_least, AsIter(classes), limit=limit)
    )
    _ = (
        sums
        | "Keep" >> beam.Filter(_is_kept, least)
        | "Share out" >> beam.Map(_with_file)
        | "Gather" >> beam.GroupByKey()
        | "Write" >> beam.Map(_write, directory=str(directory))
    )
    _ = (
        pipeline
        | "Report once" >> beam.Create([None])
        | "Report" >> beam.Map(_report, AsIter(counted.errors), directory=str(directory))
    )


class _Count(beam.DoFn):
    """Counts the words of a section."""

    def __init__(self, lowercase: bool, strip_accents: bool):
        self._casing = lowercase, strip_accents
        self._shared = Shared()

    def setup(self) -> None:
        """Makes the counter, one for all threads of a process."""
        self._counter = self._shared.acquire(self._make_counter)

    def _make_counter(self):
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        import_tensorflow()
        from lvbert_tf.text.word_counts import WordCounter

        return WordCounter(*self._casing)

    def process(self, section: Section) -> Iterator[tuple[str, int]]:
        sums: collections.Counter[bytes] = collections.Counter()
        try:
            for counts in self._counter(text for _, text in section.read()):
                sums.update(counts)
                if len(sums) >= _WORDS_AT_ONCE:
                    yield from _decoded(sums)
                    sums.clear()
        except StoreError:  # another time the store may answer
            raise
        except InputError as error:  # reading again would find the same
            yield beam.pvalue.TaggedOutput("errors", (section.index, str(error)))
        yield from _decoded(sums)


def _decoded(sums: dict[bytes, int]) -> Iterator[tuple[str, int]]:
    return ((word.decode(), count) for word, count in sums.items())


def _class_of(item: tuple[str, int]) -> tuple[int, None]:
    from lvbert_tf.text.word_counts import frequency_class

    return frequency_class(item[1]), None


def _least(_: None, classes: Iterable[tuple[int, int]], limit: int) -> int:
    from lvbert_tf.text.word_counts import least_kept

    return least_kept(dict(classes), limit)


def _is_kept(item: tuple[str, int], least: int) -> bool:
    return _class_of(item)[0] >= least


def _with_file(item: tuple[str, int]) -> tuple[int, tuple[str, int]]:
    return zlib.crc32(item[0].encode()) % _FILES, item


def _write(gathered: tuple[int, Iterable[tuple[str, int]]], directory: str) -> None:
    number, words = gathered
    replace_file(parse_path(directory) / f"words-{number}.json", json.dumps(dict(words)))


def _report(_: None, errors: Iterable[tuple[int, str]], directory: str) -> None:
    first = min(errors, default=None)
    replace_file(parse_path(directory) / _ERROR, json.dumps(first and first[1]))
