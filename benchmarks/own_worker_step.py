"""Times the pre-training step of one worker of TF_CONFIG, or of one process where it is not set.

`benchmarks.workers` starts it. The last line of output is JSON: `processor_seconds` and
`seconds` of a step.
"""

import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

from benchmarks.accelerators.pretraining_case import bert_vocabulary, build_learner
from benchmarks.baselines import stepping
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.training.distribution import batches_of_replicas, make_strategy
from lvbert_tf.training.precision import resolve_precision


def main() -> None:
    parser: argparse.ArgumentParser = stepping.argument_parser(
        __doc__.splitlines()[0], stepping.LV_BERT_SMALL
    )
    parser.add_argument("--precision", default="auto")
    flags = parser.parse_args()
    strategy = make_strategy()
    config = PretrainingConfig.create(
        "unused",
        "benchmark",
        {
            "custom_layer_list": flags.layers,
            "max_seq_length": flags.max_seq_length,
            "train_batch_size": flags.batch_size,
        },
    )
    precision = resolve_precision(flags.precision)
    learner = build_learner(config, bert_vocabulary(), precision, strategy)

    def rows(host: tuple[int, int], replicas: int) -> tf.data.Dataset:
        size = flags.batch_size // host[1] // replicas
        token_ids, segment_ids = stepping.random_sentence_pairs(size, flags.max_seq_length)
        mask = tf.ones_like(token_ids)
        batch = {"input_ids": token_ids, "segment_ids": segment_ids, "input_mask": mask}
        return tf.data.Dataset.from_tensors(batch)

    batches = batches_of_replicas(strategy, rows)
    learner.steps.run(batches, flags.warmup)
    start, processor_start = time.perf_counter(), time.process_time()
    learner.steps.run(batches, flags.steps)
    seconds = {
        "processor_seconds": (time.process_time() - processor_start) / flags.steps,
        "seconds": (time.perf_counter() - start) / flags.steps,
    }
    print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main()
