"""Builds records with Apache Beam, on as many machines as a runner has.

The files are those of `build_dataset` for the same corpus and settings. What is here runs in the process
that a user starts; the corpus and the records do not pass through it.
"""

from collections.abc import Callable

from lvbert_tf.errors import InputError
from lvbert_tf.io.paths import resolved
from lvbert_tf.io.shared_directories import shared_output
from lvbert_tf.quiet_import import import_tensorflow
from lvbert_tf.records import beam_pipeline, manifest
from lvbert_tf.records.beam_engine import BeamEngine
from lvbert_tf.records.beam_result import BuildResult
from lvbert_tf.records.build_dataset import BuildSettings, is_ours
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.corpus_order import Position
from lvbert_tf.records.corpus_reading import read_corpus
from lvbert_tf.records.manifest import Counts, Manifest
from lvbert_tf.records.part_encoder import PartEncoder
from lvbert_tf.records.unknown_words import JUDGED_TOKENS, VocabularyFit


def build_with_beam(
    corpus: Corpus,
    settings: BuildSettings,
    engine: BeamEngine,
    on_warning: Callable[[str], object] = lambda text: None,
) -> Manifest:
    """As `build_dataset`, with a Beam pipeline.

    Args:
        corpus: the text. All workers can read its files.
        settings: how to build. All workers can write to `output_dir`; `num_processes` has no effect.
        engine: runs the pipeline.
        on_warning: called with a line about records that can be used but may be bad.

    Raises:
        InputError: see `build_dataset`; or the pipeline failed.
    """
    vocabulary = settings.load_vocabulary()
    fit = VocabularyFit(settings.encoding, settings.allow_unknown_words)
    output = resolved(settings.output_dir)
    _judge_beginning(corpus, settings, fit)  # before anything is replaced
    with shared_output(output, settings.overwrite, is_ours) as directory:
        engine.run(
            lambda pipeline: beam_pipeline.construct(
                pipeline,
                corpus.sections,
                settings.encoding,
                settings.shards,
                settings.allow_unknown_words,
                directory,
            )
        )
        result = BuildResult.take(directory)
        if result.error:
            raise InputError(result.error)
        if result.refused:
            fit.check(*result.refused, complete=True)
        counts = result.training.counts, result.held_out.counts
        if warning := fit.warning(*counts):
            on_warning(warning)
        described = settings.describe(
            vocabulary, corpus, result.tally, result.training, result.held_out
        )
        (directory / manifest.MANIFEST_NAME).write_text(described.to_json(), encoding="utf-8")
    return described


def _judge_beginning(corpus: Corpus, settings: BuildSettings, fit: VocabularyFit) -> None:
    """Refuses a vocabulary that does not fit the beginning of the corpus, before workers start."""
    import_tensorflow()
    encode = PartEncoder(settings.encoding)
    training = held_out = Counts(0, 0, 0, 0, 0)
    for part in fit.watch(read.part for read in read_corpus(corpus, Position(), 1)):
        encoded = encode(part)
        training, held_out = encoded[0].add_to(training), encoded[1].add_to(held_out)
        fit.check(training, held_out)
        if training.tokens + held_out.tokens >= JUDGED_TOKENS:
            return
