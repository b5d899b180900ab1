"""What the two dataset-building programs share: flags, progress and the closing words."""

import os
import sys
from pathlib import Path

from absl import flags
from tqdm import tqdm

from lvbert_tf.errors import InputError
from lvbert_tf.files import changing
from lvbert_tf.pretraining.build_dataset import BuildSettings, build_dataset, check_output
from lvbert_tf.pretraining.corpus import Corpus
from lvbert_tf.pretraining.quiet_import import import_tensorflow
from lvbert_tf.text.vocabulary import Vocabulary

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of both programs."""
    flags.DEFINE_integer("max_seq_length", 128, "Number of tokens per example, 5 to 4096.")
    flags.DEFINE_integer("num_processes", 1, "Processes that tokenize; the result is the same.")
    flags.DEFINE_bool("do_lower_case", True, "Lower-case the text.")
    flags.DEFINE_bool("no_lower_case", False, "Keep upper case (the reference's spelling).")
    flags.DEFINE_bool("do_strip_accents", True, "Strip accents; cased text always keeps them.")
    flags.DEFINE_bool("no_strip_accents", False, "Keep accents (the reference's spelling).")
    flags.DEFINE_string("json_field", "text", "The field of JSON lines that holds the text.")
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
        "If the vocabulary file does not exist, learn one of this many tokens from the corpus.",
    )
    flags.DEFINE_bool("overwrite", False, "Replace the records that the output directory holds.")


def build(corpus_location: str, vocabulary_file: str, output: str, blanks: bool) -> None:
    """Builds the records as the flags say, with a progress bar on standard error."""
    # Tokenizing is work for the processor; the accelerator may be busy training.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    lowercase = FLAGS.do_lower_case and not FLAGS.no_lower_case
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
    )
    check_output(settings)
    corpus = Corpus(corpus_location, blanks, FLAGS.json_field)
    if FLAGS.learn_vocab_size is not None and not Path(vocabulary_file).exists():
        with changing(vocabulary_file):  # another process may be learning it
            if not Path(vocabulary_file).exists():
                _learn_vocabulary(corpus, settings, FLAGS.learn_vocab_size)
    Vocabulary.load(vocabulary_file)
    with _progress(corpus, "records") as bar:
        manifest = build_dataset(corpus, settings, bar.update)
    for name, split in (("training", manifest.training), ("held out", manifest.held_out)):
        counts = split.counts
        print(
            f"{name}: {counts.examples:,} examples, {counts.tokens:,} tokens of"
            f" {counts.documents:,} documents ({counts.text_bytes / 1e6:,.1f} MB of text)"
            f" in {len(split.shards)} files"
        )
    if not manifest.held_out.counts.examples:
        print("warning: no document is held out, nothing to evaluate on", file=sys.stderr)
    if corpus.undecodable:
        print(f"warning: left out {corpus.undecodable:,} characters not UTF-8", file=sys.stderr)
    print(f"written to {output}")


def _learn_vocabulary(corpus: Corpus, settings: BuildSettings, size: int) -> None:
    import_tensorflow()
    from lvbert_tf.text import learn_vocabulary, write_vocabulary

    with _progress(corpus, "vocabulary") as bar:
        texts = (text for _, text in corpus.read(bar.update))
        tokens = learn_vocabulary(texts, size, settings.lowercase, settings.strip_accents)
    try:
        write_vocabulary(settings.vocabulary_file, tokens)
    except OSError as error:
        raise InputError(
            f"cannot write the vocabulary {settings.vocabulary_file}: {error.strerror}"
        ) from error


def _progress(corpus: Corpus, what: str) -> tqdm:
    return tqdm(total=corpus.total_bytes, desc=what, unit="B", unit_scale=True, mininterval=0.5)
