"""Builds a set of pre-training records from a corpus."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lvbert_tf
from lvbert_tf.errors import InputError
from lvbert_tf.io.paths import resolved
from lvbert_tf.io.unfinished import unfinished_output
from lvbert_tf.io.whole import check_replaceable
from lvbert_tf.records import example_encoder, example_spans, manifest
from lvbert_tf.records.beam_result import RESULT_NAME
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.documents import Tally
from lvbert_tf.records.manifest import Manifest, Split
from lvbert_tf.records.part_encoder import EncodingSettings
from lvbert_tf.records.record_writing import RecordWriting
from lvbert_tf.records.shard_layout import ShardLimits
from lvbert_tf.records.shard_writer import SHARD_BYTES
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
            raise corpus.has_no_text()
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
                "part": str(corpus.share),
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
    check_replaceable(resolved(settings.output_dir), settings.overwrite, is_ours)


def build_dataset(
    corpus: Corpus,
    settings: BuildSettings,
    on_bytes: Callable[[int], object] = lambda count: None,
    on_warning: Callable[[str], object] = lambda text: None,
    on_note: Callable[[str], object] = lambda text: None,
) -> Manifest:
    """Writes `pretrain_data.tfrecord-*`, `held_out.tfrecord-*` and `manifest.json`.

    The directory appears when it is complete; until then nothing is changed. If the process is killed or
    fails, the next call with the same corpus and settings goes on where it had been some seconds before,
    and the files are the same as if nothing had happened (see `io.unfinished`).

    Args:
        corpus: the text, or a share of it.
        settings: how to build.
        on_bytes: called with the number of bytes, of `corpus.total_bytes`, whose records were written
            since the last call.
        on_warning: called with a line about records that can be used but may be bad.
        on_note: called with a line about what is continued, what is not, and what is left to continue.

    Returns:
        The manifest.

    Raises:
        InputError: the vocabulary, the corpus or the output directory cannot be used, most of the text
            is unknown to the vocabulary, or the disk is full.
    """
    vocabulary = settings.load_vocabulary()
    fit = VocabularyFit(settings.encoding, settings.allow_unknown_words)
    output = resolved(settings.output_dir)
    key = _key(settings, vocabulary, corpus)
    with unfinished_output(output, key, settings.overwrite, is_ours, on_note) as unfinished:
        writing = RecordWriting(unfinished, settings.shards)
        if writing.lost:
            on_note(f"starting again, not continuing an earlier run: {writing.lost}")
        elif unfinished.state is not None:
            share = writing.tally.bytes / max(1, corpus.total_bytes)
            on_note(f"continuing an earlier run, which had written the records of {share:.0%}")
        try:
            writing.write(corpus, fit, settings.num_processes, on_bytes)
            training, held_out = writing.finish()
        finally:
            writing.abandon()
        if warning := fit.warning(training.counts, held_out.counts):
            on_warning(warning)
        result = settings.describe(vocabulary, corpus, writing.tally, training, held_out)
        path = unfinished.directory / manifest.MANIFEST_NAME
        path.write_text(result.to_json(), encoding="utf-8")
    return result


def _key(settings: BuildSettings, vocabulary: Vocabulary, corpus: Corpus) -> dict[str, Any]:
    """All that the bytes of the records depend on, named as a user knows it."""
    return {
        "the release of lvbert_tf": lvbert_tf.__version__,
        "the corpus (the names, sizes or times of its files, or how it is read)": corpus.fingerprint(),
        "part": str(corpus.share),
        "the vocabulary": vocabulary.sha256,
        "max_seq_length": settings.max_seq_length,
        "do_lower_case": settings.lowercase,
        "do_strip_accents": settings.strip_accents,
        "seed": settings.seed,
        "held_out_fraction": settings.held_out_fraction,
        "num_shards": settings.num_shards,
    }


def is_ours(name: str) -> bool:
    """Whether a build makes files of this name."""
    return name in (manifest.MANIFEST_NAME, RESULT_NAME) or name.startswith(
        (f"{manifest.TRAINING_PREFIX}-", f"{manifest.HELD_OUT_PREFIX}-")
    )


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"{name} is {value}; it must be {low} to {high}")
