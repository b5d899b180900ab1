"""Pre-trains LV-BERT or ELECTRA on records that build_pretraining_dataset.py wrote.

  python run_pretraining.py --data_dir DATA --model_name NAME --hparams configs/lv_bert_small.toml
  python run_pretraining.py --data_dir DATA --model_name NAME \\
      --hparams '{"model_size": "small", "custom_layer_list": [0, 0, 1, 2]}'

Reads DATA/vocab.txt and DATA/pretrain_tfrecords/ (DATA/pretrain_tfrecords_512/ for
max_seq_length 512). Writes DATA/models/NAME/: config.json, checkpoints/, metrics.jsonl,
tensorboard/, eval.json and, at the end, preset/ for keras_hub.

The same command continues a run that was stopped or killed. It starts from the run's own newest
checkpoint, else from init_checkpoint, else from random weights. SIGTERM and SIGINT save and leave
with 143 or 130. To evaluate only: --hparams '{..., "do_train": false, "do_eval": true}'.

Several machines: start the command on each with TF_CONFIG set, or on all with Slurm's srun; DATA must be
a shared directory.
Exit codes: 0 done, 1 loss or gradient not finite in too many steps in a row, 2 bad input, 143
stopped after saving.
"""

import functools

from absl import flags, logging

from lvbert_tf import cli
from lvbert_tf.hparams import help_lines
from lvbert_tf.quiet_import import import_tensorflow
from lvbert_tf.settings.pretraining import PretrainingConfig

FLAGS = flags.FLAGS

__doc__ += f"\nHyperparameters, with their defaults:\n\n{help_lines(PretrainingConfig)}\n"


def define_flags() -> None:
    """Defines the flags of the program."""
    cli.define_path("data_dir", None, "Where vocab.txt and the records are.", required=True)
    flags.DEFINE_string("model_name", None, "Name of the directory under models/.", required=True)
    flags.DEFINE_string(
        "hparams", "", "JSON, or a .json or .toml file; the names are listed above."
    )
    cli.define_device_flags()


def main() -> int:
    """Pre-trains or evaluates."""
    import_tensorflow()  # here, so that --help need not wait for it
    from lvbert_tf.pretraining.run import pretrain

    logging.set_verbosity(logging.WARNING)
    return pretrain(
        FLAGS.data_dir,
        FLAGS.model_name,
        FLAGS.hparams,
        FLAGS.strategy,
        FLAGS.virtual_devices,
        FLAGS.tpu,
    )


run = functools.partial(cli.run, main, define_flags)
