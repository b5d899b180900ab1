"""Times a whole pre-training step of the LV-BERT or ELECTRA reference under TensorFlow 1.15.

The reference is the user's own checkout of https://github.com/yuweihao/LV-BERT or
https://github.com/google-research/electra (the latter for repeated `AF` only), which Python finds
through PYTHONPATH. It needs Python 3.7 and an environment of its own:

    python3.7 -m venv /tmp/tf115
    /tmp/tf115/bin/pip install 'tensorflow==1.15.5' 'protobuf<3.21' scipy scikit-learn
    PYTHONPATH=LV-BERT /tmp/tf115/bin/python -m benchmarks.baselines.reference_step

A step is masking, generator, sampling, discriminator, both losses, gradients, clipping and the
Adam update. It runs in a plain session, without the estimator's hooks and checkpoints, on a batch
that is already in memory. The last line of the output is JSON.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import tempfile

from benchmarks.baselines import stepping

LAYER_CODES = {"C": 0, "A": 1, "F": 2}


def write_synthetic_vocabulary(path: str) -> None:
    """Writes a vocabulary of BERT's size with its special tokens where BERT has them."""
    tokens = [f"token{index}" for index in range(stepping.VOCABULARY_SIZE)]
    tokens[stepping.PAD_ID] = "[PAD]"
    tokens[stepping.UNK_ID] = "[UNK]"
    tokens[stepping.CLS_ID] = "[CLS]"
    tokens[stepping.SEP_ID] = "[SEP]"
    tokens[stepping.MASK_ID] = "[MASK]"
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(tokens) + "\n")


def layer_options(config_class, letters: str) -> dict:
    """Returns the reference's hparams for a layer string; ELECTRA's code only knows `AF` pairs."""
    if "custom_layer_list" in vars(config_class("probe", "")):
        return {"custom_layer_list": [LAYER_CODES[letter] for letter in letters]}
    pairs = len(letters) // 2
    if letters != "AF" * pairs:
        raise ValueError("this checkout has no custom_layer_list: --layers must repeat AF")
    return {"model_hparam_overrides": {"num_hidden_layers": pairs}}


def load_beside(module, name: str):
    """Imports a module by its file, as this project has a program of the same name.

    Args:
        module: one of the same folder.
        name: of the other.
    """
    path = os.path.join(os.path.dirname(os.path.abspath(module.__file__)), name + ".py")
    spec = importlib.util.spec_from_file_location("reference_" + name, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def build_step(flags, vocabulary_file: str):
    """Builds the reference's graph and returns a function that runs one training step."""
    import tensorflow.compat.v1 as tf

    tf.logging.set_verbosity(tf.logging.ERROR)
    configure = importlib.import_module("configure_pretraining")
    optimization = importlib.import_module("model.optimization")
    pretraining = load_beside(configure, "run_pretraining")
    config = configure.PretrainingConfig(
        "benchmark",
        "",
        vocab_file=vocabulary_file,
        vocab_size=stepping.VOCABULARY_SIZE,
        max_seq_length=flags.max_seq_length,
        train_batch_size=flags.batch_size,
        **layer_options(configure.PretrainingConfig, flags.layers),
    )
    token_ids, segment_ids = stepping.random_sentence_pairs(flags.batch_size, flags.max_seq_length)
    features = {
        "input_ids": tf.constant(token_ids),
        "input_mask": tf.ones(token_ids.shape, tf.int32),
        "segment_ids": tf.constant(segment_ids),
    }
    model = pretraining.PretrainingModel(config, features, is_training=True)
    train_op = optimization.create_optimizer(
        model.total_loss,
        config.learning_rate,
        config.num_train_steps,
        weight_decay_rate=config.weight_decay_rate,
        warmup_steps=config.num_warmup_steps,
        lr_decay_power=config.lr_decay_power,
    )
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return lambda: session.run([model.total_loss, train_op])[0]


def main() -> None:
    parser = stepping.argument_parser(__doc__.splitlines()[0], stepping.LV_BERT_SMALL)
    parser.add_argument("--vocab_file", help="30,522 lines; a synthetic one when not given")
    flags = parser.parse_args()
    if importlib.util.find_spec("configure_pretraining") is None:
        parser.error("PYTHONPATH names no checkout of the reference: no configure_pretraining.py")
    if flags.vocab_file is not None and not os.path.isfile(flags.vocab_file):
        parser.error(f"--vocab_file {flags.vocab_file}: no such file")
    # Set before TensorFlow is loaded: its start-up notes go to the log otherwise.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with tempfile.TemporaryDirectory() as directory:
        vocabulary_file = flags.vocab_file
        if vocabulary_file is None:
            vocabulary_file = os.path.join(directory, "vocab.txt")
            write_synthetic_vocabulary(vocabulary_file)
        try:
            step = build_step(flags, vocabulary_file)
        except ValueError as error:
            parser.error(str(error))
    timing = stepping.time_steps(step, flags.warmup, flags.steps)
    version = importlib.import_module("tensorflow").__version__
    stepping.print_result(flags, timing, framework="tensorflow " + version, precision="float32")


if __name__ == "__main__":
    main()
