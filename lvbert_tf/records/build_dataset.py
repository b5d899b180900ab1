"""Builds a set of pre-training records from a corpus."""

import collections
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from lvbert_tf.errors import InputError
from lvbert_tf.io.whole import check_replaceable, new_output
from lvbert_tf.records import example_encoder, example_spans, manifest
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.corpus_order import ReadPart, read_parts
from lvbert_tf.records.corpus_parts import CorpusPart
from lvbert_tf.records.documents import Tally
from lvbert_tf.records.encoding_pool import encode_parts
from lvbert_tf.records.manifest import Counts, Manifest, Split
from lvbert_tf.records.part_encoder import EncodedSplit, EncodingSettings
from lvbert_tf.records.shard_layout import ShardLimits
from lvbert_tf.records.shard_writer import SHARD_BYTES, ShardWriter
from lvbert_tf.records.unknown_words import VocabularyFit
from lvbert_tf.text.vocabulary import Vocabulary

MAX_LENGTH = 4096
MAX_SHARDS = 512  # all are open at the same time; systems allow 1,024 open files
_FILES_AT_ONCE = 4


@dataclass(frozen=True)
class BuildSettings:
    """How to build a set of records.

    Args:
        vocabulary_file: a BERT vocabulary.
        output_dir: the directory to make.
        max_seq_length: the number of tokens of an example, 5 to 4,096.
        num_processes: the number of processes that tokenize; the result does not depend on it.
        lowercase: whether text is lower-cased.
        strip_accents: whether accents are removed, which needs `lowercase`.
        seed: the seed of example lengths, segments and the held-out split.
        held_out_fraction: the share of the documents that are set aside for evaluation, 0 to 0.5.
        num_shards: the number of training files; None makes one for each 64 MiB, and at least 4.
        overwrite: whether to replace a set of records that is at `output_dir`.
        allow_unknown_words: whether half of the tokens or more may be [UNK].

    Raises:
        InputError: a value is out of its range.
    """

    vocabulary_file: str
    output_dir: str
    max_seq_length: int = 128
    num_processes: int = 1
    lowercase: bool = True
    strip_accents: bool = True
    seed: int = 0
    held_out_fraction: float = 0.01
    num_shards: int | None = None
    overwrite: bool = False
    allow_unknown_words: bool = False

    def __post_init__(self):
        _check_range("max_seq_length", self.max_seq_length, example_spans.MIN_LENGTH, MAX_LENGTH)
        _check_range("num_processes", self.num_processes, 1, 1024)
        _check_range("seed", self.seed, 0, 2**63 - 1)
        _check_range("held_out_fraction", self.held_out_fraction, 0, 0.5)
        if self.num_shards is not None:
            _check_range("num_shards", self.num_shards, 1, MAX_SHARDS)

    @property
    def encoding(self) -> EncodingSettings:
        """What the records of a part depend on."""
        return EncodingSettings(
            vocabulary_file=self.vocabulary_file,
            lowercase=self.lowercase,
            strip_accents=self.strip_accents,
            max_seq_length=self.max_seq_length,
            seed=self.seed,
            held_out_fraction=self.held_out_fraction,
        )

    @property
    def shards(self) -> tuple[ShardLimits, ShardLimits]:
        """How the training and the held-out records are divided into shards."""
        at_once = self.num_shards or _FILES_AT_ONCE
        return (
            ShardLimits(
                manifest.TRAINING_PREFIX, at_once, None if self.num_shards else SHARD_BYTES
            ),
            ShardLimits(manifest.HELD_OUT_PREFIX, 1, SHARD_BYTES),
        )

    def load_vocabulary(self) -> Vocabulary:
        """Reads the vocabulary.

        Raises:
            InputError: it cannot be used.
        """
        vocabulary = Vocabulary.load(self.vocabulary_file)
        if vocabulary.size > example_encoder.MAX_VOCABULARY_SIZE:
            raise InputError(
                f"{self.vocabulary_file}: {vocabulary.size} tokens; at most"
                f" {example_encoder.MAX_VOCABULARY_SIZE} are supported"
            )
        return vocabulary

    def describe(
        self,
        vocabulary: Vocabulary,
        corpus: Corpus,
        tally: Tally,
        training: Split,
        held_out: Split,
    ) -> Manifest:
        """Describes a set of records that was built with these settings.

        Args:
            vocabulary: what `load_vocabulary` returned.
            corpus: the corpus.
            tally: what was read of it.
            training: the training records.
            held_out: the held-out records.

        Raises:
            InputError: there are no training records.
        """
        if not training.counts.examples:
            raise InputError(f"no text in the corpus: {corpus.location}")
        return Manifest(
            vocabulary_sha256=vocabulary.sha256,
            vocabulary_size=vocabulary.size,
            max_seq_length=self.max_seq_length,
            lowercase=self.lowercase,
            strip_accents=self.strip_accents,
            training=training,
            held_out=held_out,
            settings={
                "corpus": corpus.location,
                "blanks_separate_docs": corpus.blanks_separate_docs,
                "json_field": corpus.json_field,
                "files_of_text": tally.texts,
                "files_of_records": tally.records,
                "undecodable_characters": tally.undecodable,
                "vocabulary_file": str(self.vocabulary_file),
                "seed": self.seed,
                "held_out_fraction": self.held_out_fraction,
                "num_shards": self.num_shards,
                "allow_unknown_words": self.allow_unknown_words,
            },
        )


def check_output(settings: BuildSettings) -> None:
    """Checks the output directory before any work.

    Raises:
        InputError: there is something at `output_dir` that may not be replaced.
    """
    check_replaceable(Path(settings.output_dir).resolve(), settings.overwrite, is_ours)


def build_dataset(
    corpus: Corpus,
    settings: BuildSettings,
    on_bytes: Callable[[int], object] = lambda count: None,
    on_warning: Callable[[str], object] = lambda text: None,
) -> Manifest:
    """Writes `pretrain_data.tfrecord-*`, `held_out.tfrecord-*` and `manifest.json`.

    The directory appears when it is complete; until then nothing is changed.

    Args:
        corpus: the text.
        settings: how to build.
        on_bytes: called with the number of bytes, of `corpus.total_bytes`, whose records were written
            since the last call.
        on_warning: called with a line about records that can be used but may be bad.

    Returns:
        The manifest.

    Raises:
        InputError: the vocabulary, the corpus or the output directory cannot be used, most of the text
            is unknown to the vocabulary, or the disk is full.
    """
    vocabulary = settings.load_vocabulary()
    output = Path(settings.output_dir).resolve()
    with new_output(output, settings.overwrite, is_ours) as directory:
        training, held_out, tally = _write_splits(directory, corpus, settings, on_bytes, on_warning)
        result = settings.describe(vocabulary, corpus, tally, training, held_out)
        (directory / manifest.MANIFEST_NAME).write_text(result.to_json(), encoding="utf-8")
    return result


def _write_splits(
    directory: Path,
    corpus: Corpus,
    settings: BuildSettings,
    on_bytes: Callable[[int], object],
    on_warning: Callable[[str], object],
) -> tuple[Split, Split, Tally]:
    encoding = settings.encoding
    training, held_out = (
        _SplitWriter(ShardWriter(directory, *astuple(limits))) for limits in settings.shards
    )
    fit = VocabularyFit(encoding, settings.allow_unknown_words)
    tally = Tally()
    waiting: collections.deque[ReadPart] = collections.deque()

    def parts() -> Iterator[CorpusPart]:
        for read in read_parts(corpus):
            waiting.append(read)
            yield read.part

    try:
        for encoded in encode_parts(fit.watch(parts()), encoding, settings.num_processes):
            training.write(encoded[0])
            held_out.write(encoded[1])
            fit.check(training.counts, held_out.counts)
            written = waiting.popleft()
            tally.add(written.tally)
            on_bytes(written.tally.bytes)
        fit.check(training.counts, held_out.counts, complete=True)
        if warning := fit.warning(training.counts, held_out.counts):
            on_warning(warning)
        return training.finish(), held_out.finish(), tally
    finally:
        training.writer.abandon()
        held_out.writer.abandon()


class _SplitWriter:
    def __init__(self, writer: ShardWriter):
        self.writer = writer
        self.counts = Counts(0, 0, 0, 0, 0)

    def write(self, encoded: EncodedSplit) -> None:
        self.counts = encoded.add_to(self.counts)
        if encoded.records:
            self.writer.write(encoded.records)

    def finish(self) -> Split:
        return Split(self.counts, self.writer.finish())


def is_ours(name: str) -> bool:
    """Whether a build makes files of this name."""
    return name == manifest.MANIFEST_NAME or name.startswith(
        (f"{manifest.TRAINING_PREFIX}-", f"{manifest.HELD_OUT_PREFIX}-")
    )


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"{name} is {value}; it must be {low} to {high}")
