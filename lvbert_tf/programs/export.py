"""Exports a model for servers and for fast answers on CPUs.

  python export_saved_model.py --model_dir DATA/models/NAME/finetuning_models/sst_1 \\
      --output_dir SERVING/sst --format openvino --precision bfloat16

Reads a trial of fine-tuning (finetuning_models/TASKS_TRIAL), a KerasHub preset, or the directory of
a pre-training run (models/NAME). Writes SERVING/sst/VERSION/, the version one more than the last one
there, under a temporary name until it is whole. It has tokenizer.json, config.json, a model card, and
each format that is asked for:

  savedmodel  for TensorFlow Serving, or TensorFlow alone. Strings go in: the tokenizer and its
              vocabulary are part of the graph. With --inputs ids token ids go in, and it needs no
              tensorflow-text.
  onnx        for ONNX Runtime: model.onnx
  openvino    for OpenVINO: openvino_model.xml and .bin

Whoever answers with it needs none of this project but one file, and no TensorFlow for the last two:

  import lvbert_tf.serving
  lvbert_tf.serving.load("SERVING/sst/1")(["a fine film"])

docs/serving.md lists the answers of every kind of model and shows how to serve them.

Exit codes: 0 done, 2 bad input.
"""

import functools

from absl import flags, logging

from lvbert_tf import cli
from lvbert_tf.io.paths import parse_path
from lvbert_tf.quiet_import import import_tensorflow
from lvbert_tf.serving.formats import PRECISIONS, check_formats

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of the program."""
    cli.define_path("model_dir", None, "The model to export; see above.", required=True)
    cli.define_path(
        "output_dir", None, "Where versions go; its name is the model's.", required=True
    )
    flags.DEFINE_string("task", None, "Which task's model, of a trial with several.")
    flags.DEFINE_list(
        "format", ["savedmodel"], "What to write: savedmodel, onnx, openvino, or several by commas."
    )
    flags.DEFINE_enum(
        "inputs",
        "text",
        ["text", "ids"],
        "What goes into a SavedModel: text, with the tokenizer in the graph; or token ids.",
    )
    flags.DEFINE_enum(
        "precision",
        "float32",
        PRECISIONS,
        "Of weights and arithmetic. bfloat16 is faster where the processor has instructions for it,"
        " int8 on most.",
    )
    cli.define_path(
        "calibration",
        None,
        "Texts for int8 of openvino, as run_finetuning.py --predict reads them; by default the rows"
        " that the trial of --model_dir was trained on.",
    )
    flags.DEFINE_string("license", "not stated", "Of the weights, for the model card.")


def main() -> None:
    """Exports the model and tells where it is."""
    check_formats(FLAGS.format, FLAGS.precision)
    if FLAGS.inputs == "ids" and "savedmodel" not in FLAGS.format:
        cli.refuse_unused(["inputs"], "without --format savedmodel")
    if FLAGS.precision != "int8" or "openvino" not in FLAGS.format:
        cli.refuse_unused(["calibration"], "without --format openvino --precision int8")
    import_tensorflow()  # here, so that --help need not wait for it
    from lvbert_tf.serving.calibration import calibration_inputs
    from lvbert_tf.serving.servable_model import load_servable_model
    from lvbert_tf.serving.versions import export

    logging.set_verbosity(logging.ERROR)
    models, by_dtype = {}, {}
    for name in FLAGS.format:
        # Weights too: what is not trained need not be converted at each call. Other engines do that.
        dtype = FLAGS.precision if name == "savedmodel" else "float32"
        if dtype not in by_dtype:
            by_dtype[dtype] = load_servable_model(
                parse_path(FLAGS.model_dir), FLAGS.task, dtype, cli.say
            )
        models[name] = by_dtype[dtype]
    if FLAGS.inputs == "ids":
        models["savedmodel"] = models["savedmodel"].of_ids()
    calibration = []
    if FLAGS.precision == "int8" and "openvino" in models:
        file = FLAGS.calibration and parse_path(FLAGS.calibration)
        model_dir = parse_path(FLAGS.model_dir)
        calibration = calibration_inputs(models["openvino"], model_dir, FLAGS.task, file)
    output_dir = parse_path(FLAGS.output_dir)
    print(export(models, output_dir, FLAGS.license, FLAGS.precision, calibration))


run = functools.partial(cli.run, main, define_flags)
