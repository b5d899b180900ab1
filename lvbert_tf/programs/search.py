"""Searches for a layer string: trains a supernet, scores its strings, reports the best.

  python run_search.py --data_dir DATA --search_name NAME --hparams configs/search_small.toml

Reads DATA/vocab.txt and DATA/pretrain_tfrecords/, whose held-out part strings are scored on. Writes
DATA/searches/NAME/: supernet/, held_out.npz (what every string is scored on), study.journal (the
log, for optuna-dashboard), random/ (random search, to compare with), references.json,
report.html, report.json, candidates.csv and best.toml. Then train the winner from scratch:

  python run_pretraining.py --data_dir DATA --model_name NAME \\
      --hparams DATA/searches/NAME/best.toml

The same command continues a search that was stopped or killed, in whatever stage, and ends with the
same result. --stage runs one of them: supernet, search, report (also of a search that goes on).

Several processes share a search: train the supernet, then start the command with --stage search
as often as you like; on other machines too, with a shared DATA and --storage URL. Several
machines train one supernet as run_pretraining.py does, with TF_CONFIG and --stage supernet.
Exit codes: 0 done, 1 the loss became non-finite, 2 bad input, 143 stopped with everything saved.
"""

import functools

from absl import flags, logging

from lvbert_tf import cli
from lvbert_tf.hparams import help_lines, hparam_fields
from lvbert_tf.quiet_import import import_tensorflow
from lvbert_tf.search.settings import DECIDED, STAGES, SearchSettings
from lvbert_tf.settings.pretraining import PretrainingConfig

FLAGS = flags.FLAGS

__doc__ += f"""
Hyperparameters of the search, with their defaults:

{help_lines(SearchSettings)}

Hyperparameters of pre-training the supernet:

{help_lines(PretrainingConfig, leave_out={*DECIDED, *hparam_fields(SearchSettings)})}
"""


def define_flags() -> None:
    """Defines the flags of the program."""
    cli.define_path("data_dir", None, "Where vocab.txt and the records are.", required=True)
    flags.DEFINE_string(
        "search_name", None, "Name of the directory under searches/.", required=True
    )
    flags.DEFINE_string(
        "hparams", "", "JSON, or a .json or .toml file; the names are listed above."
    )
    flags.DEFINE_enum("stage", "all", STAGES, "What to run.")
    flags.DEFINE_string(
        "storage",
        "",
        "A database for the log instead of study.journal, e.g. postgresql://user:password@host/name,"
        " whose driver is psycopg[binary]; give it to every stage and process.",
    )
    cli.define_device_flags()


def main() -> int:
    """Runs the stages."""
    if FLAGS.stage == "report":
        cli.refuse_unused(cli.DEVICE_FLAGS, "with --stage report, which computes nothing")
    import_tensorflow()  # here, so that --help need not wait for it
    from lvbert_tf.search.run import run_search

    logging.set_verbosity(logging.WARNING)
    return run_search(
        FLAGS.data_dir,
        FLAGS.search_name,
        FLAGS.hparams,
        FLAGS.stage,
        FLAGS.storage,
        FLAGS.strategy,
        FLAGS.virtual_devices,
        FLAGS.tpu,
    )


run = functools.partial(cli.run, main, define_flags)
