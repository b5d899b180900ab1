"""Converts a model between the reference's checkpoints, Hugging Face's ELECTRA, and ours.

  python convert_checkpoint.py --from reference --to preset --input CKPT --output DIR \\
      --hparams '{"model_size": "small"}' --vocab_file vocab.txt
  python convert_checkpoint.py --from preset --to huggingface --input DATA/models/NAME --output DIR

The formats, and what PATH (--input) and DIR (--output) are for each:

  reference     a TensorFlow 1 checkpoint of LV-BERT's or ELECTRA's code: its prefix
                (.../model.ckpt-1000000) or its directory. It holds generator and discriminator.
                DIR gets model.ckpt.*, checkpoint, hparams.json and vocab.txt.
  huggingface   a directory of transformers with config.json and model.safetensors, or its shards: of
                ElectraForPreTraining (the discriminator), ElectraForMaskedLM (the generator) or a
                fine-tuned one, or of an LV-BERT with its own PyTorch code; or a directory with such
                directories discriminator/, generator/, classifier/, regressor/, tagger/ or
                span_predictor/, which is what DIR gets: ELECTRA's if the layers are AF repeated and its
                classes have such a head, else LV-BERT's, for from_pretrained(trust_remote_code=True).
  preset        a model directory of pre-training (DATA/models/NAME, or one of its checkpoints/step-N),
                which holds generator, discriminator and heads; a trial of fine-tuning
                (finetuning_models/TASKS_TRIAL); or a preset alone, which holds a fine-tuned model, or
                the discriminator without its head. DIR becomes a model directory: preset/ for keras_hub
                and fine-tuning, checkpoints/ with all networks for init_checkpoint, config.json,
                vocab.txt; of a fine-tuned model it has preset/ alone.
  compact       to publish a pre-trained model (--to only): DIR/preset is a preset that has all networks
                in one safetensors file of 16-bit numbers. It can be used like any preset, and also
                converted and given as init_checkpoint, like a model directory.

The name of a preset in lvbert_tf/presets/ of the package stands for its path, with --from preset.

Weights are copied bit for bit. Only compact rounds them, to 16 bits. Tensors without a counterpart are
listed and end the conversion with 2, unless --allow_partial is given. DIR appears when it is complete;
--overwrite replaces what an earlier conversion wrote.

Exit codes: 0 done, 2 bad input.
"""

import functools

from absl import flags, logging

from lvbert_tf import cli
from lvbert_tf.conversion.formats import FORMATS, HUGGINGFACE_CODES, REFERENCE_CODES, TARGETS
from lvbert_tf.quiet_import import import_tensorflow

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of the program."""
    flags.DEFINE_enum("from", None, FORMATS, "What PATH holds.", required=True)
    flags.DEFINE_enum("to", None, TARGETS, "What to write.", required=True)
    cli.define_path("input", None, "PATH of the model.", required=True)
    cli.define_path("output", None, "DIR to write.", required=True)
    flags.DEFINE_string(
        "hparams",
        "",
        "With --from reference: how the model was pre-trained, as JSON, or a .json or .toml file,"
        " with the names of run_pretraining.py --help. Sizes of tables and layers are read off the"
        " checkpoint, and an hparams.json beside it is read first.",
    )
    cli.define_path("vocab_file", None, "The vocabulary, if not the one that lies with the model.")
    flags.DEFINE_enum(
        "reference_code",
        "lv_bert",
        REFERENCE_CODES,
        "With --to reference: whose variable names; ELECTRA's code reads AF repeated only.",
    )
    flags.DEFINE_enum(
        "huggingface_code",
        "auto",
        HUGGINGFACE_CODES,
        "With --to huggingface: whose classes hold the model. auto: ELECTRA's if they can, else the"
        " LV-BERT code in PyTorch that is written beside the weights.",
    )
    flags.DEFINE_string(
        "task", None, "With --from preset: which model of a trial of several tasks."
    )
    flags.DEFINE_bool(
        "allow_partial",
        False,
        "Convert what has a counterpart, and list the rest; also a model with more embeddings than"
        " its vocabulary has tokens.",
    )
    flags.DEFINE_bool("overwrite", False, "Replace what an earlier conversion wrote to DIR.")


def main() -> int:
    """Converts."""
    if FLAGS.to != "reference":
        cli.refuse_unused(("reference_code",), f"with --to {FLAGS.to}")
    import_tensorflow()  # here, so that --help need not wait for it
    from lvbert_tf.conversion.conversion import convert

    logging.set_verbosity(logging.WARNING)
    return convert(
        getattr(FLAGS, "from"),
        FLAGS.to,
        FLAGS.input,
        FLAGS.output,
        FLAGS.hparams,
        FLAGS.vocab_file,
        FLAGS.reference_code,
        FLAGS.huggingface_code,
        FLAGS.task,
        FLAGS.allow_partial,
        FLAGS.overwrite,
    )


run = functools.partial(cli.run, main, define_flags)
