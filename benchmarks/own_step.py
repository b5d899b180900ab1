"""Times a whole pre-training step of this project: the training program's own compiled step.

    python -m benchmarks.own_step --precision bfloat16

Takes the flags of the baseline drivers (see benchmarks/baselines) and, like them, ends with one line
of JSON; it adds the FLOP rate and its share of the matrix product rate measured in the same process.
"""

import os
import typing

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

from benchmarks.baselines import stepping
from lvbert_tf.layers.kernels import Compilation
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.pretraining.gradients import PretrainingGradients
from lvbert_tf.pretraining.masking import MaskingSpec
from lvbert_tf.pretraining.objective import PretrainingObjective
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import POLICIES, LossScale, resolve_precision
from lvbert_tf.training.schedules import WarmupPolynomialDecay
from lvbert_tf.training.step import TrainingStep
from lvbert_tf.training.throughput import measure_matmul_peak


def build_step(flags, config: PretrainingConfig, precision: str):
    """Builds the model and returns a function that does one training step."""
    pretrainer = ElectraPretrainer.from_networks(config.networks, dtype=POLICIES[precision])
    optimizer = ReferenceAdam(WarmupPolynomialDecay(5e-4, 1_000_000, 10_000))
    optimizer.build(pretrainer.trainable_variables)
    specials = (stepping.CLS_ID, stepping.SEP_ID, stepping.MASK_ID)
    spec = MaskingSpec(config.mask_prob, config.max_predictions_per_seq, stepping.MASK_ID, specials)
    loss_scale = LossScale(dynamic=precision == "float16")
    objective = PretrainingObjective.from_settings(config.objective, spec)
    train_step = TrainingStep(
        tf.distribute.get_strategy(),
        PretrainingGradients(pretrainer, objective, loss_scale, config.step, num_replicas=1),
        optimizer,
        loss_scale,
        config.seed,
        flags.compilation,
    )
    token_ids, segment_ids = stepping.random_sentence_pairs(flags.batch_size, flags.max_seq_length)
    batch = {
        "input_ids": token_ids,
        "segment_ids": segment_ids,
        "input_mask": tf.ones_like(token_ids),
    }
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    return lambda: float(train_step.run(batches, 1).loss[0])


def parse_flags(description: str):
    """(flags, precision, hyperparameters) of the command line."""
    parser = stepping.argument_parser(description, stepping.LV_BERT_SMALL)
    parser.add_argument("--precision", choices=("auto", *POLICIES), default="auto")
    modes = typing.get_args(Compilation)
    parser.add_argument("--compilation", choices=modes, default="stretches")
    flags = parser.parse_args()
    hparams = {
        "custom_layer_list": flags.layers,
        "max_seq_length": flags.max_seq_length,
        "train_batch_size": flags.batch_size,
    }
    return flags, resolve_precision(flags.precision), hparams


def main() -> None:
    flags, precision, hparams = parse_flags(__doc__.splitlines()[0])
    config = PretrainingConfig.create("unused", "benchmark", hparams)
    peaks = [measure_matmul_peak(precision)]
    step = build_step(flags, config, precision)
    timing = stepping.time_steps(step, flags.warmup, flags.steps)
    peaks.append(measure_matmul_peak(precision))
    flops = config.training_flops * flags.batch_size
    rate = flops / sorted(timing["all"])[len(timing["all"]) // 2]
    stepping.print_result(
        flags,
        timing,
        framework=f"lvbert_tf, tensorflow {tf.__version__}",
        precision=precision,
        compilation=flags.compilation,
        gflop_per_second=rate / 1e9,
        matmul_peak_gflop_per_second=max(peaks) / 1e9,
        share_of_peak=rate / max(peaks),
    )


if __name__ == "__main__":
    main()
