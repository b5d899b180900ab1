"""What both programs that build records share: flags, the progress bar and the closing lines."""

import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from absl import flags
from tqdm import tqdm

from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.io.locks import changing
from lvbert_tf.io.paths import parse_path, resolved
from lvbert_tf.quiet_import import import_tensorflow
from lvbert_tf.records.build_dataset import BuildSettings, build_dataset, check_output
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.documents import JSON_SUFFIXES
from lvbert_tf.records.manifest import Manifest
from lvbert_tf.records.vocabulary_learning import learn_from_corpus
from lvbert_tf.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from lvbert_tf.records.beam_engine import BeamEngine

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of both programs."""
    flags.DEFINE_integer("max_seq_length", 128, "Number of tokens per example, 5 to 4096.")
    flags.DEFINE_integer(
        "num_processes",
        1,
        "Processes that tokenize, and as many, up to 8, that read; the result is the same.",
    )
    flags.DEFINE_bool("do_lower_case", True, "Lower-case the text.")
    flags.DEFINE_bool("no_lower_case", False, "Keep upper case (the reference's spelling).")
    flags.DEFINE_bool("do_strip_accents", True, "Strip accents; cased text always keeps them.")
    flags.DEFINE_bool("no_strip_accents", False, "Keep accents (the reference's spelling).")
    flags.DEFINE_string(
        "json_field",
        "text",
        "The field of JSON lines, or the column of Parquet files, that holds the text.",
    )
    flags.DEFINE_integer("seed", 0, "Seed of example lengths, segments and the held-out split.")
    flags.DEFINE_float(
        "held_out_fraction", 0.01, "Share of the documents set aside for evaluation, 0 to 0.5."
    )
    flags.DEFINE_integer(
        "num_shards", None, "Number of training files; by default one per 64 MiB, at least 4."
    )
    flags.DEFINE_integer(
        "learn_vocab_size",
        None,
        "If the vocabulary file does not exist, learn one of this many tokens from the whole corpus.",
    )
    flags.DEFINE_bool(
        "allow_unknown_words",
        False,
        "Build records although half of their tokens or more are [UNK]: the vocabulary does not fit.",
    )
    flags.DEFINE_enum(
        "engine",
        "local",
        ["local", "beam"],
        "What builds: this machine, or Apache Beam on many; the records are the same.",
    )
    flags.DEFINE_string(
        "beam_options", "", "Options of Beam as one argument, such as '--runner=FlinkRunner'."
    )
    flags.DEFINE_string(
        "part",
        "1/1",
        "I/N: build the I-th of N parts of the corpus, for N machines. Together the parts have each"
        " document once; training takes their directories separated by commas or by a wildcard.",
    )
    flags.DEFINE_bool("overwrite", False, "Replace the records that the output directory holds.")


def parse_part(text: str) -> tuple[int, int]:
    """Reads what --part says: the number of the part of the corpus, and the number of parts.

    Raises:
        InputError: the text has another form than I/N.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    number, count = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= count:
        raise InputError(f"--part is {text!r}; it is I/N, such as 2/8, with I from 1 to N")
    return number, count


def build(corpus_location: str, vocabulary_file: str, output: str, blanks: bool) -> None:
    """Builds records as the flags say, with a progress bar on standard error.

    Args:
        corpus_location: see `Corpus`.
        vocabulary_file: the vocabulary, which is learned if there is none and the flags allow it.
        output: the directory to make.
        blanks: whether blank lines separate documents.

    Raises:
        InputError: see `build_dataset`; or two flags contradict each other.
    """
    # Tokenizing needs no accelerator, which may be in use for training.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    number, count = parse_part(FLAGS.part)
    _check_casing("lower_case")
    _check_casing("strip_accents")
    lowercase = _lowercase()
    settings = BuildSettings(
        vocabulary_file=vocabulary_file,
        output_dir=output,
        max_seq_length=FLAGS.max_seq_length,
        num_processes=FLAGS.num_processes,
        lowercase=lowercase,
        strip_accents=lowercase and FLAGS.do_strip_accents and not FLAGS.no_strip_accents,
        seed=FLAGS.seed,
        held_out_fraction=FLAGS.held_out_fraction,
        num_shards=FLAGS.num_shards,
        overwrite=FLAGS.overwrite,
        allow_unknown_words=FLAGS.allow_unknown_words,
    )
    check_output(settings)
    beam = _beam_engine()
    corpus = Corpus(corpus_location, blanks, FLAGS.json_field)
    learned = False
    if FLAGS.learn_vocab_size is not None and not parse_path(vocabulary_file).exists():
        with changing(vocabulary_file):  # another process may be learning it
            learned = not parse_path(vocabulary_file).exists()
            if learned:
                _learn_vocabulary(corpus, settings, FLAGS.learn_vocab_size, beam)
    vocabulary = Vocabulary.load(vocabulary_file)
    if FLAGS.learn_vocab_size is not None and not learned:
        cli.say(
            f"note: {vocabulary_file} is there, so its {vocabulary.size:,} tokens are used and"
            f" --learn_vocab_size {FLAGS.learn_vocab_size} is not; to learn others, move it away"
        )
    corpus = corpus.divided(number, count)
    warnings: list[str] = []
    if beam:
        from lvbert_tf.records.beam_build import build_with_beam

        cli.say(f"records: {beam.runner} reads, encodes, lays out, gathers and writes them")
        manifest = build_with_beam(corpus, settings, beam, warnings.append)
    else:
        with _progress(corpus, "records") as bar:
            manifest = build_dataset(corpus, settings, bar.update, warnings.append, _note)
    for name, split in (("training", manifest.training), ("held out", manifest.held_out)):
        counts = split.counts
        print(
            f"{name}: {counts.examples:,} examples, {counts.tokens:,} tokens"
            f" ({counts.unknown_share:.2%} of them [UNK]) of {counts.documents:,} documents"
            f" ({counts.text_bytes / 1e6:,.1f} MB of text)"
            f" in {len(split.shards)} files"
        )
    if not manifest.held_out.counts.examples:
        warnings.append("no document is held out, nothing to evaluate on")
    if undecodable := manifest.settings["undecodable_characters"]:
        warnings.append(f"left out {undecodable:,} characters not UTF-8")
    warnings += _unused(manifest)
    for warning in warnings:
        cli.say(f"warning: {warning}")
    print(f"written to {output}")


def _beam_engine() -> "BeamEngine | None":
    if FLAGS.engine == "local":
        cli.refuse_unused(["beam_options"], "without --engine beam")
        return None
    cli.refuse_unused(["num_processes"], "with --engine beam: its runner has options for that")
    cli.refuse_unused(["part"], "with --engine beam, which has as many machines as it needs")
    from lvbert_tf.records.beam_engine import BeamEngine

    return BeamEngine(FLAGS.beam_options)


def _check_casing(what: str) -> None:
    """Refuses `--do_X` and the reference's `--no_X` if both are given and contradict each other."""
    given = [FLAGS[f"do_{what}"], FLAGS[f"no_{what}"]]
    if all(flag.present for flag in given) and given[0].value == given[1].value:
        values = " and ".join(f"--{flag.name}={str(flag.value).lower()}" for flag in given)
        raise InputError(f"{values} contradict each other; give one of them")


def _unused(manifest: Manifest) -> Iterator[str]:
    """Yields a warning for each flag that was given and had no effect on this corpus."""
    if FLAGS["do_strip_accents"].present and FLAGS.do_strip_accents and not _lowercase():
        yield "--do_strip_accents is not used: cased text keeps its accents"
    if FLAGS["json_field"].present and not manifest.settings["files_of_records"]:
        yield (
            "--json_field is not used: no file of the corpus ends in"
            f" {', '.join(JSON_SUFFIXES)}, so all of it was read as text"
        )
    blanks = "blanks_separate_docs"
    if blanks in FLAGS and FLAGS[blanks].present and not manifest.settings["files_of_text"]:
        yield f"--{blanks} is not used: the corpus has JSON or TFDS records only, a document each"


def _lowercase() -> bool:
    return FLAGS.do_lower_case and not FLAGS.no_lower_case


def _learn_vocabulary(
    corpus: Corpus, settings: BuildSettings, size: int, beam: "BeamEngine | None"
) -> None:
    import_tensorflow()
    from lvbert_tf.text import write_vocabulary

    casing = settings.lowercase, settings.strip_accents
    if beam:
        from lvbert_tf.records.beam_word_counts import count_words
        from lvbert_tf.text.wordpiece_learner import check_size, learn_from_counts

        check_size(size)
        cli.say(f"vocabulary: {beam.runner} counts words")
        counts = count_words(corpus, *casing, beam, resolved(settings.output_dir))
        tokens = learn_from_counts(counts, size)
    else:
        with _progress(corpus, "vocabulary") as bar:
            tokens = learn_from_corpus(corpus, size, *casing, settings.num_processes, bar.update)
    try:
        write_vocabulary(settings.vocabulary_file, tokens)
    except OSError as error:
        raise InputError(
            f"cannot write the vocabulary {settings.vocabulary_file}: {error.strerror}"
        ) from error


def _note(text: str) -> None:
    tqdm.write(f"note: {text}", sys.stderr)  # above the progress bar


def _progress(corpus: Corpus, what: str) -> tqdm:
    return tqdm(total=corpus.total_bytes, desc=what, unit="B", unit_scale=True, mininterval=0.5)
