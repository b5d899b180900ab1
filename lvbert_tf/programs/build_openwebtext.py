"""Builds pre-training records from OpenWebText as it is distributed.

Reads DATA_DIR/openwebtext/* (tar archives of texts, each text one document) and
DATA_DIR/vocab.txt; writes DATA_DIR/pretrain_tfrecords, or pretrain_tfrecords-I-of-N with --part.

A build that was killed or stopped is continued by the same command; the records are the same.

  python build_openwebtext_pretraining_dataset.py --data_dir DATA_DIR --num_processes 8
"""

import functools

from absl import flags

from lvbert_tf import cli
from lvbert_tf.io.paths import parse_path
from lvbert_tf.programs import record_building

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of the program."""
    cli.define_path("data_dir", None, "Holds openwebtext/ and vocab.txt.", required=True)
    record_building.define_flags()
    flags.adopt_module_key_flags(record_building)  # --help lists them too


def main() -> None:
    """Builds the records."""
    number, count = record_building.parse_part(FLAGS.part)
    records = "pretrain_tfrecords" + (f"-{number}-of-{count}" if count > 1 else "")
    data_dir = parse_path(FLAGS.data_dir)
    record_building.build(
        str(data_dir / "openwebtext"),
        str(data_dir / "vocab.txt"),
        str(data_dir / records),
        blanks=False,
    )


run = functools.partial(cli.run, main, define_flags)
