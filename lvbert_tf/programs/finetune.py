"""Fine-tunes a pre-trained model on tasks: GLUE's, SQuAD's and MRQA's, tagging, or your own.

  python run_finetuning.py --data_dir DATA --model_name NAME \\
      --hparams '{"model_size": "small", "task_names": ["cola"], "num_trials": 10}'

Reads the model in DATA/models/NAME/ and the tasks' files in DATA/finetuning_data/TASK/; docs/tasks.md
lists the files of every task and shows how to describe one of your own. Writes, under DATA/models/NAME/:

  finetuning_models/TASKS_TRIAL/   presets/TASK/ for keras_hub, result.json, metrics.jsonl, tensorboard/
  results/TASKS_results.json       every trial, and median, mean and standard deviation; also as .txt
  results/TASKS_qa/                answers in SQuAD's format
  results/glue_submission.zip      with write_test_outputs: what gluebenchmark.com takes

The same command continues a run that was stopped or killed, at its trial and step. Trials that are
done are not done again; --overwrite starts from nothing. Several task_names are learned together.

To evaluate trained models again: --hparams '{..., "do_train": false}'. To use one:

  echo "a fine film" | python run_finetuning.py --data_dir DATA --model_name NAME \\
      --hparams '{"task_names": ["sst"]}' --predict -

reads a text a line, or a JSON object a line with the keys text and, of pairs, text_pair
(classification, regression), text or words (tagging), question and context (span), and an id if you
like, which comes back. It writes a JSON object for each line, in UTF-8. docs/finetuning.md has more.
The fastest way, for a classifier or regressor that export_saved_model.py has written for OpenVINO:

  echo "a fine film" | python run_finetuning.py --exported SERVING/sst/1 --predict -

Exit codes: 0 done, 1 the loss became non-finite, 2 bad input, 143 stopped after saving.
"""

import functools

from absl import flags, logging

from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.hparams import help_lines
from lvbert_tf.quiet_import import import_tensorflow

FLAGS = flags.FLAGS

__doc__ += f"\nHyperparameters, with their defaults:\n\n{help_lines(FinetuningConfig)}\n"


def define_flags() -> None:
    """Defines the flags of the program."""
    cli.define_path("data_dir", None, "Where finetuning_data/ and models/ are.")
    flags.DEFINE_string("model_name", None, "Name of the directory under models/.")
    flags.DEFINE_string(
        "hparams", "", "JSON, or a .json or .toml file; the names are listed above."
    )
    flags.DEFINE_bool("overwrite", False, "Remove what was trained on these tasks before.")
    cli.define_path("predict", None, "A file to predict for, - for standard input.")
    cli.define_path("output", "-", "Where predictions go, - for standard output.")
    cli.define_path(
        "exported",
        None,
        "A version that export_saved_model.py has written, which predicts in place of a trial's model,"
        " without TensorFlow if it is for another engine.",
    )
    flags.DEFINE_integer("trial", 1, "The trial whose model predicts.")
    flags.DEFINE_string(
        "task", None, "Which task to predict for, of a model that has learned several."
    )
    flags.DEFINE_enum(
        "predict_format",
        "auto",
        ["auto", "text", "json"],
        "What a line to predict for is: a text, a JSON object, or an object if it begins with {.",
    )
    cli.define_device_flags()


def main() -> int:
    """Fine-tunes, evaluates or predicts."""
    if FLAGS.predict is None:
        unused = ("output", "exported", "trial", "task", "predict_format")
        cli.refuse_unused(unused, "without --predict")
    else:
        why = "with --predict, which trains nothing and computes on one device"
        cli.refuse_unused(("overwrite", *cli.DEVICE_FLAGS), why)
    logging.set_verbosity(logging.WARNING)
    if FLAGS.exported is not None:
        why = "with --exported, which is the model and knows its task"
        cli.refuse_unused(("data_dir", "model_name", "hparams", "trial", "task"), why)
        return _answer_with_export()
    for name in ("data_dir", "model_name"):
        if FLAGS[name].value is None:
            raise InputError(f"--{name} must be given; --help lists the flags")
    import_tensorflow()  # here, so that --help need not wait for it
    if FLAGS.predict is not None:
        from lvbert_tf.finetuning.predict_lines import predict_lines

        return predict_lines(
            FLAGS.data_dir,
            FLAGS.model_name,
            FLAGS.hparams,
            FLAGS.predict,
            FLAGS.output,
            FLAGS.trial,
            FLAGS.task,
            FLAGS.predict_format,
        )
    from lvbert_tf.finetuning.run import finetune

    return finetune(
        FLAGS.data_dir,
        FLAGS.model_name,
        FLAGS.hparams,
        FLAGS.overwrite,
        FLAGS.strategy,
        FLAGS.virtual_devices,
        FLAGS.tpu,
    )


def _answer_with_export() -> int:
    from lvbert_tf.finetuning.line_answers import answer_lines
    from lvbert_tf.serving.exported_lines import load_exported_model

    def load():
        return load_exported_model(FLAGS.exported)

    answer_lines(load, FLAGS.predict, FLAGS.output, FLAGS.predict_format)
    return 0


run = functools.partial(cli.run, main, define_flags)
