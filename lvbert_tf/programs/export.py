"""Exports a model as a SavedModel that TensorFlow Serving, or TensorFlow alone, can run.

  python export_saved_model.py --model_dir DATA/models/NAME/finetuning_models/sst_1 \\
      --output_dir SERVING/sst

Reads a trial of fine-tuning (finetuning_models/TASKS_TRIAL), a KerasHub preset, or the directory of
a pre-training run (models/NAME). Writes SERVING/sst/VERSION/, the version one more than the last one
there, under a temporary name until it is whole. Strings go in: the tokenizer and its vocabulary are
part of the graph. Whoever loads it needs tensorflow and tensorflow-text, not this project:

  import tensorflow as tf, tensorflow_text
  model = tf.saved_model.load("SERVING/sst/1")
  model.signatures["serving_default"](text=tf.constant(["a fine film"]))

With --inputs ids token ids go in instead, made elsewhere with assets.extra/vocab.txt. Then tensorflow is
enough, and TensorFlow Lite, OpenVINO and tf2onnx convert the SavedModel as it is.

docs/serving.md lists the signatures of every kind of model and shows how to serve them. The model card
and requests to warm a server up with are beside the SavedModel.

Exit codes: 0 done, 2 bad input.
"""

import functools
from pathlib import Path

from absl import flags, logging

from lvbert_tf import cli
from lvbert_tf.quiet_import import import_tensorflow

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of the program."""
    cli.define_path("model_dir", None, "The model to export; see above.", required=True)
    cli.define_path(
        "output_dir", None, "Where versions go; its name is the model's.", required=True
    )
    flags.DEFINE_string("task", None, "Which task's model, of a trial with several.")
    flags.DEFINE_enum(
        "inputs",
        "text",
        ["text", "ids"],
        "What goes in: text, with the tokenizer in the graph; or its token ids, as other engines want.",
    )
    flags.DEFINE_enum(
        "precision",
        "float32",
        ["float32", "bfloat16"],
        "Of weights and arithmetic. bfloat16 is faster where the processor has instructions for it.",
    )
    flags.DEFINE_string("license", "not stated", "Of the weights, for the model card.")


def main() -> None:
    """Exports the model and tells where it is."""
    import_tensorflow()  # here, so that --help need not wait for it
    from lvbert_tf.serving.saved_model import export
    from lvbert_tf.serving.servable_model import load_servable_model

    logging.set_verbosity(logging.ERROR)
    # Weights too: what is not trained need not be converted at each call.
    model = load_servable_model(Path(FLAGS.model_dir), FLAGS.task, FLAGS.precision, cli.say)
    if FLAGS.inputs == "ids":
        model = model.of_ids()
    print(export(model, Path(FLAGS.output_dir), FLAGS.license))


run = functools.partial(cli.run, main, define_flags)
