"""Builds pre-training records from text.

Writes pretrain_data.tfrecord-*, held_out.tfrecord-* and manifest.json. The corpus may be text
files (a sentence or paragraph a line, a blank line between documents), directories, .gz, .bz2, .xz
and .zst files, JSON lines, Parquet files, tar archives and tfds:NAME[/config][:split]; several are
separated by commas.
A build that was killed or stopped is continued by the same command; the records are the same.

  python build_pretraining_dataset.py --corpus_dir DIR --vocab_file vocab.txt --output_dir OUT \\
      --max_seq_length 128 --num_processes 2
"""

import functools

from absl import flags

from lvbert_tf import cli
from lvbert_tf.programs import record_building

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of the program."""
    flags.DEFINE_string(
        "corpus_dir", None, "The text: files, directories, tfds:NAME.", required=True
    )
    cli.define_path("vocab_file", None, "The WordPiece vocabulary.", required=True)
    cli.define_path("output_dir", None, "Where the records go.", required=True)
    # Takes its value as the next argument too, which is the reference's spelling.
    flags.DEFINE(
        flags.BooleanParser(),
        "blanks_separate_docs",
        True,
        "True or False: whether blank lines separate documents in text files.",
    )
    record_building.define_flags()
    flags.adopt_module_key_flags(record_building)  # --help lists them too


def main() -> None:
    """Builds the records."""
    record_building.build(
        FLAGS.corpus_dir, FLAGS.vocab_file, FLAGS.output_dir, FLAGS.blanks_separate_docs
    )


run = functools.partial(cli.run, main, define_flags)
