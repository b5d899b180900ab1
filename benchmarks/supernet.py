"""What a supernet costs beside the encoders it holds: a training step, and scoring a candidate.

    python -m benchmarks.supernet
    python -m benchmarks.supernet --num_layers 8 --hidden_size 128 --strings 4

Draws a few strings. A supernet of all layer types trains on them one after the other, in turn with
stand-alone models of the same strings: whole training steps, optimiser included. Then it scores them, in
turn with the stand-alone models' forward passes and scores on the same batch. Prints medians of the CPU
time (over all cores, so that a busy machine matters little), their ratio, and how often the supernet's
functions were traced. With a GPU, `--clock wall`.
"""

import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from absl import flags
from tqdm import tqdm

from benchmarks.baselines import stepping
from benchmarks.contestant import spread
from lvbert_tf import cli
from lvbert_tf.architecture.layer_string import LayerString, interleaved
from lvbert_tf.architecture.layer_types import letters
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.pretraining.gradients import pretraining_step
from lvbert_tf.pretraining.masking import MaskingSpec
from lvbert_tf.pretraining.objective import PretrainingObjective
from lvbert_tf.search.corrupted_set import CorruptedSet, Provenance
from lvbert_tf.search.evaluator import CandidateEvaluator, corrupt_held_out
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import POLICIES, LossScale
from lvbert_tf.training.step import TrainingStep

FLAGS = flags.FLAGS
flags.DEFINE_integer("num_layers", 24, "Layers of a string.", lower_bound=1)
flags.DEFINE_integer("hidden_size", 256, "Width; 256 is LV-BERT-small.", lower_bound=16)
flags.DEFINE_integer("batch_size", 32, "Sequences.", lower_bound=1)
flags.DEFINE_integer("max_seq_length", 128, "Tokens a sequence.", lower_bound=5)
flags.DEFINE_integer("strings", 2, "Stand-alone models to compare with.", lower_bound=1)
flags.DEFINE_integer("repeats", 7, "Measurements, of which the median counts.", lower_bound=1)
flags.DEFINE_enum("precision", "float32", tuple(POLICIES), "Of the layers' arithmetic.")
flags.DEFINE_enum("clock", "cpu", ["cpu", "wall"], "What is measured.")


class Cycle:
    """A path sampler that takes the strings in turn."""

    num_paths = 1

    def __init__(self, strings: list[str]):
        paths = [[letters().index(letter) for letter in string] for string in strings]
        self._paths = tf.constant(paths)

    def sample(self, seed: tf.Tensor) -> tf.Tensor:
        return self._paths[seed[1] % len(self._paths)][tf.newaxis]


def build_step(string: str, sampler: Cycle | None = None) -> TrainingStep:
    """A training step of the string alone or, with a sampler, of a supernet."""
    hparams = {
        "custom_layer_list": string,
        "generator_layer_list": str(interleaved("AF", FLAGS.num_layers)),
        "layer_types": letters() if sampler else None,
        "max_seq_length": FLAGS.max_seq_length,
        "train_batch_size": FLAGS.batch_size,
        "model_hparam_overrides": {"hidden_size": FLAGS.hidden_size},
    }
    config = PretrainingConfig.create("unused", "benchmark", hparams)
    pretrainer = ElectraPretrainer.from_networks(config.networks, POLICIES[FLAGS.precision])
    optimizer = ReferenceAdam(1e-4)
    optimizer.build(pretrainer.trainable_variables)
    specials = (stepping.CLS_ID, stepping.SEP_ID, stepping.MASK_ID)
    spec = MaskingSpec(config.mask_prob, config.max_predictions_per_seq, stepping.MASK_ID, specials)
    objective = PretrainingObjective.from_settings(config.objective, spec)
    scale = LossScale(dynamic=FLAGS.precision == "float16")
    strategy = tf.distribute.get_strategy()
    return pretraining_step(strategy, pretrainer, optimizer, scale, config.step, objective, sampler)


def build_evaluator(step: TrainingStep, features: dict[str, np.ndarray]) -> CandidateEvaluator:
    """Scores on one batch."""
    provenance = Provenance(0, "", "", 1, FLAGS.batch_size, {}, True, FLAGS.precision)
    corrupted = CorruptedSet(provenance, features)
    return CandidateEvaluator(
        step.strategy, step.gradients.pretrainer, step.gradients.objective, corrupted
    )


def milliseconds(function: Callable[[], object]) -> float:
    """Of one call."""
    clock = time.process_time if FLAGS.clock == "cpu" else time.perf_counter
    start = clock()
    function()
    return 1000 * (clock() - start)


def compare(title: str, pairs: list[tuple[Callable, Callable]]) -> str:
    """Times (stand-alone, supernet) pairs in turn; a row of the table, of the means over the pairs.

    The ratio's spread is over the repeats.
    """
    for pair in pairs:
        for function in pair:
            function()  # traces and compiles, or warms up
    times: list[tuple[list[float], list[float]]] = [([], []) for _ in pairs]
    for _ in tqdm(range(FLAGS.repeats), desc=title, leave=False):
        for pair, (alone, supernet) in zip(pairs, times, strict=True):
            alone.append(milliseconds(pair[0]))
            supernet.append(milliseconds(pair[1]))
    alone, supernet = (
        statistics.mean(statistics.median(sample[kind]) for sample in times) for kind in (0, 1)
    )
    ratios = np.sum([sample[1] for sample in times], 0) / np.sum([sample[0] for sample in times], 0)
    return f"| {title} | {alone:.1f} | {supernet:.1f} | {spread(ratios.tolist(), 3)} |"


def main() -> None:
    rng = np.random.default_rng(0)
    strings = [
        str(LayerString.random(FLAGS.num_layers, letters(), rng)) for _ in range(FLAGS.strings)
    ]
    token_ids, segment_ids = stepping.random_sentence_pairs(FLAGS.batch_size, FLAGS.max_seq_length)
    batch = {
        "input_ids": tf.constant(token_ids),
        "segment_ids": tf.constant(segment_ids),
        "input_mask": tf.ones_like(token_ids),
    }
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    supernet = build_step(strings[0], Cycle(strings))
    alone = [build_step(string) for string in strings]
    print(
        f"{FLAGS.clock} milliseconds, {FLAGS.precision}, {FLAGS.num_layers} layers of width"
        f" {FLAGS.hidden_size}, batch {FLAGS.batch_size}, length {FLAGS.max_seq_length}, mean of"
        f" {', '.join(strings)}"
    )
    print("| | stand-alone | supernet | ratio |\n|---|---|---|---|")

    # The supernet takes the strings in turn, so each pair is about the same one.
    steps = [
        (lambda step=step: step.run(batches, 1), lambda: supernet.run(batches, 1)) for step in alone
    ]
    print(compare("training step", steps), flush=True)

    features = corrupt_held_out(
        supernet.strategy,
        supernet.gradients.pretrainer,
        supernet.gradients.objective,
        [batch],
        num_batches=1,
    )
    scorer = build_evaluator(supernet, features)
    single = [build_evaluator(step, features) for step in alone]
    pairs = [
        (own.evaluate, lambda string=string: scorer.evaluate(string))
        for own, string in zip(single, strings, strict=True)
    ]
    print(compare("scoring a batch", pairs), flush=True)
    print(
        f"traces of the supernet: {supernet.num_traces} in training, {scorer.num_traces} in scoring"
    )


if __name__ == "__main__":
    cli.run(main)
