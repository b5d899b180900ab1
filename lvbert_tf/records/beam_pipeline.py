"""The Beam pipeline that makes the shards of a corpus, the same as `build_dataset` makes.

Sections of the corpus are read and divided into parts, and parts are encoded, each independently of all
others. What each part has of a split, a few numbers, goes to one place, where the shards are laid out.
Then the records of each shard come together, are put in order and are written.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import apache_beam as beam
import numpy as np
from apache_beam.pvalue import AsIter, AsSingleton
from apache_beam.utils.shared import Shared

from lvbert_tf.errors import InputError
from lvbert_tf.io.objects import StoreError
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.shared_directories import shared_file
from lvbert_tf.quiet_import import import_tensorflow
from lvbert_tf.records.beam_result import BuildResult
from lvbert_tf.records.corpus import Section
from lvbert_tf.records.corpus_order import order_of
from lvbert_tf.records.corpus_parts import CorpusPart, divide_section
from lvbert_tf.records.documents import Tally
from lvbert_tf.records.manifest import BLOCK_EXAMPLES, Counts, Shard, Split
from lvbert_tf.records.part_encoder import EncodingSettings, PartEncoder
from lvbert_tf.records.shard_layout import ShardLimits, SplitLayout, SplitSize, lay_out, size_of
from lvbert_tf.records.unknown_words import is_refused

# Shards up to this size are put in order in memory, larger ones in a temporary file.
_SHARD_MEMORY = 160 << 20
_EMPTY = Counts(0, 0, 0, 0, 0)
_NOTHING = Split(_EMPTY, ())
_Records = tuple[list[bytes], list[bytes]]  # of both splits, training first


@dataclass(frozen=True)
class SectionRead:
    """What became of the reading of a section: `error` is None if it was read to its end."""

    section: int
    parts: int
    tally: Tally
    error: str | None


@dataclass(frozen=True)
class PartSize:
    """How much one part of a section has of both splits."""

    section: int
    part: int
    splits: tuple[SplitSize, SplitSize]


@dataclass(frozen=True)
class Plan:
    """What is known when all parts are encoded.

    Attributes:
        result: what is to be told, without shards.
        order: for each section, int64 [parts], the place of each of its parts in the order of writing.
        layouts: the shards of both splits; None if records are not to be written.
    """

    result: BuildResult
    order: tuple[np.ndarray, ...]
    layouts: tuple[SplitLayout, SplitLayout] | None


def construct(
    pipeline: beam.Pipeline,
    sections: Sequence[Section],
    encoding: EncodingSettings,
    limits: tuple[ShardLimits, ShardLimits],
    allow_unknown_words: bool,
    directory: Path,
) -> None:
    """Puts the transforms that write the shards of a corpus, and then a `BuildResult`, into a pipeline.

    Args:
        pipeline: the pipeline.
        sections: all sections of the corpus.
        encoding: how to encode. The vocabulary goes to the workers, who cannot read the file.
        limits: how both splits are divided into shards.
        allow_unknown_words: see `BuildSettings`.
        directory: where to write; all workers can.
    """
    read = (
        pipeline
        | "Sections" >> beam.Create(list(sections))
        | "Spread sections" >> beam.Reshuffle()
        | "Read" >> beam.ParDo(_Read()).with_outputs("read", main="parts")
    )
    encoded = (
        read.parts
        | "Spread parts" >> beam.Reshuffle()
        | "Encode"
        >> beam.ParDo(
            _Encode(encoding, parse_path(encoding.vocabulary_file).read_bytes(), limits),
            AsIter(read.read | "Errors" >> beam.Filter(lambda section: section.error)),
        ).with_outputs("sizes", main="records")
    )
    plan = AsSingleton(
        pipeline
        | "Lay out once" >> beam.Create([None])
        | "Lay out"
        >> beam.Map(
            _lay_out,
            AsIter(read.read),
            AsIter(encoded.sizes),
            sections=sections,
            limits=limits,
            judged=not allow_unknown_words,
        )
    )
    shards = (
        encoded.records
        | "Deal out" >> beam.FlatMap(_deal, plan)
        | "Gather" >> beam.GroupByKey()
        | "Write" >> beam.Map(_write_shard, directory=str(directory))
    )
    _ = (
        pipeline
        | "Report once" >> beam.Create([None])
        | "Report" >> beam.Map(_report, plan, AsIter(shards), directory=str(directory))
    )


class _Read(beam.DoFn):
    """Reads a section, and divides it into parts."""

    def process(self, section: Section) -> Iterator[CorpusPart]:
        tally, parts, error = Tally(), 0, None
        try:
            for part in divide_section(section.read(tally), section.index):
                yield part
                parts += 1
        except StoreError:  # another time the store may answer
            raise
        except InputError as found:  # reading again would find the same; others are tried again
            error = str(found)
        yield beam.pvalue.TaggedOutput("read", SectionRead(section.index, parts, tally, error))


class _Encode(beam.DoFn):
    """Encodes a part, unless a section could not be read: then there will be no records."""

    def __init__(
        self,
        settings: EncodingSettings,
        vocabulary: bytes,
        limits: tuple[ShardLimits, ShardLimits],
    ):
        self._settings = settings
        self._vocabulary = vocabulary
        self._limits = limits
        self._shared = Shared()

    def setup(self) -> None:
        """Makes the encoder, one for all threads of a process."""
        self._encoder = self._shared.acquire(self._make_encoder)

    def _make_encoder(self) -> PartEncoder:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        import_tensorflow()
        with tempfile.NamedTemporaryFile() as file:
            file.write(self._vocabulary)
            file.flush()
            return PartEncoder(replace(self._settings, vocabulary_file=file.name))

    def process(
        self, part: CorpusPart, errors: Iterable[SectionRead]
    ) -> Iterator[tuple[int, int, _Records]]:
        if next(iter(errors), None):
            return
        training, held_out = self._encoder(part)
        yield part.section, part.index, (training.records, held_out.records)
        sizes = size_of(training, self._limits[0]), size_of(held_out, self._limits[1])
        yield beam.pvalue.TaggedOutput("sizes", PartSize(part.section, part.index, sizes))


def _lay_out(
    _: None,
    reads: Iterable[SectionRead],
    sizes: Iterable[PartSize],
    sections: Sequence[Section],
    limits: tuple[ShardLimits, ShardLimits],
    judged: bool,
) -> Plan:
    """Lays out the shards of both splits, and adds up what there is."""
    tally, parts = Tally(), [0] * len(sections)
    error: SectionRead | None = None
    for read in reads:
        tally.add(read.tally)
        parts[read.section] = read.parts
        if read.error and (error is None or read.section < error.section):
            error = read
    if error:
        return Plan(BuildResult(_NOTHING, _NOTHING, tally, error.error), (), None)

    by_place: dict[tuple[int, int], tuple[SplitSize, SplitSize]] = {
        (size.section, size.part): size.splits for size in sizes
    }
    order = [np.zeros(count, np.int64) for count in parts]
    in_order = []
    for number, (section, part) in enumerate(order_of(sections, parts)):
        order[section][part] = number
        in_order.append(by_place[section, part])
    totals = _EMPTY, _EMPTY
    for number, splits in enumerate(in_order, start=1):
        totals = _sum(totals[0], splits[0].counts), _sum(totals[1], splits[1].counts)
        if judged and is_refused(*totals, complete=number == len(in_order)):
            refused = BuildResult(_NOTHING, _NOTHING, tally, refused=totals)
            return Plan(refused, (), None)
    result = BuildResult(Split(totals[0], ()), Split(totals[1], ()), tally)
    training = lay_out((splits[0] for splits in in_order), limits[0])
    held_out = lay_out((splits[1] for splits in in_order), limits[1])
    return Plan(result, tuple(order), (training, held_out))


def _sum(first: Counts, second: Counts) -> Counts:
    pairs = zip(asdict(first).values(), asdict(second).values(), strict=True)
    return Counts(*map(sum, pairs))


def _deal(
    encoded: tuple[int, int, _Records], plan: Plan
) -> Iterator[tuple[str, tuple[int, Sequence[bytes]]]]:
    """Deals out the records of a part: the name of each shard, and its records with their place."""
    section, part, splits = encoded
    if plan.layouts is None:
        return
    place = int(plan.order[section][part])
    for layout, records in zip(plan.layouts, splits, strict=True):
        for name, dealt in layout.deal(place, records):
            yield name, (place, dealt)


def _write_shard(
    gathered: tuple[str, Iterable[tuple[int, Sequence[bytes]]]], directory: str
) -> Shard:
    """Writes the records of a shard in the order of the parts; they come in any order."""
    name, dealt = gathered
    with tempfile.SpooledTemporaryFile(_SHARD_MEMORY) as unsorted:
        runs = {}  # the place of a part -> where its records are, and the size of each
        for place, records in dealt:
            runs[place] = unsorted.tell(), [len(record) for record in records]
            unsorted.writelines(records)
        checksum = hashlib.sha256()
        examples = size = 0
        block_offsets = []
        with shared_file(parse_path(directory), name) as file:
            for place in sorted(runs):
                begin, sizes = runs[place]
                for record_size in sizes:
                    if examples % BLOCK_EXAMPLES == 0:
                        block_offsets.append(size)
                    examples, size = examples + 1, size + record_size
                unsorted.seek(begin)
                data = unsorted.read(sum(sizes))
                checksum.update(data)
                file.write(data)
    return Shard(name, examples, size, checksum.hexdigest(), tuple(block_offsets))


def _report(_: None, plan: Plan, shards: Iterable[Shard], directory: str) -> None:
    """Writes what the process that started the pipeline wants to know."""
    written = {shard.name: shard for shard in shards}
    result = plan.result
    if plan.layouts:
        training, held_out = (
            replace(split, shards=tuple(written[name] for name in layout.names))
            for split, layout in zip((result.training, result.held_out), plan.layouts, strict=True)
        )
        result = replace(result, training=training, held_out=held_out)
    result.write(parse_path(directory))
