"""Times fine-tuning and prediction of this project: the program's own learner and predictor.

    python -m benchmarks.own_finetuning --data DIR --bucket

Takes the flags of benchmarks/baselines/huggingface_finetuning.py, where DIR is what
finetuning_speed.py makes with --keep, and, like it, ends with one line of JSON. It adds the FLOPs of
the rows and the matrix product rate measured in the same process.
"""

import os
import statistics

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from benchmarks.baselines import tuning
from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.finetuning.learning.learner import Learner
from lvbert_tf.finetuning.learning.prediction import Predictor
from lvbert_tf.finetuning.objectives.classification import ClassificationObjective
from lvbert_tf.finetuning.objectives.features import TaskFeatures
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.finetuning.task_data import read_task_data
from lvbert_tf.finetuning.tasks.registry import find_task
from lvbert_tf.models import LVBertBackbone, LVBertTokenizer
from lvbert_tf.training.batch_parts import parts_of_batch
from lvbert_tf.training.distribution import make_strategy
from lvbert_tf.training.precision import POLICIES, resolve_precision
from lvbert_tf.training.throughput import measure_matmul_peak

TASK = "sst"


class Tuning:
    """A learner and a predictor of SST-2 on a model with random weights.

    Args:
      flags: of the command line.
      precision: of the layers' arithmetic.
    """

    def __init__(self, flags, precision: str):
        strategy = tf.distribute.get_strategy()
        self.parts = parts_of_batch(strategy, flags.batch_size)
        config = FinetuningConfig.create(
            str(flags.data),
            "benchmark",
            {
                "task_names": [TASK],
                "num_train_epochs": 1 + flags.epochs,
                "train_batch_size": flags.batch_size,
                "eval_batch_size": flags.batch_size,
                "max_seq_length": flags.max_seq_length,
                "bucket_by_length": flags.bucket,
            },
        )
        task = find_task(TASK, config.data_dir)
        data = read_task_data(task, config.data, print)
        tokenizer = LVBertTokenizer(str(flags.data / "vocab.txt"))
        keras.utils.set_random_seed(0)
        backbone = LVBertBackbone(
            tokenizer.vocabulary_size(),
            flags.layers,
            num_heads=4,
            hidden_dim=256,
            intermediate_dim=1024,
            embedding_dim=128,
            dtype=POLICIES[precision],
        )
        examples = data.examples("train")
        model = ClassificationObjective.new_model(task, examples, backbone, tokenizer, config.head)
        objective = ClassificationObjective(task, model)
        self.config = config
        self.train = objective.features(examples, "train")
        self.dev = objective.features(data.examples("dev"), "dev")
        self.learner = Learner(
            strategy, config.learning, backbone, {TASK: objective}, {TASK: self.train}
        )
        self.predictor = Predictor(strategy, objective, config.prediction)
        self.steps = self.learner.start_trial(config.seed)
        self.iterators = self.learner.batches(config.seed, self.steps.order, 0)
        self.model_config = ModelConfig.from_dict(
            {name: getattr(backbone, name) for name in ModelConfig.__dataclass_fields__}
        )

    def run(self, steps: int) -> dict[str, float]:
        """Does steps, and tells what they took."""
        clock = tuning.Clock()
        self.steps.run(self.iterators, steps)
        return clock.read(steps * self.config.train_batch_size)

    def predict(self) -> dict[str, float]:
        """Predicts for the dev rows, and tells what it took."""
        clock = tuning.Clock()
        self.predictor.outputs(self.dev)
        return clock.read(self.dev.num_rows)

    def forward_gflop(self, features: TaskFeatures) -> float:
        """Of a row in the mean, without padding."""
        lengths, counts = np.unique(features.lengths, return_counts=True)
        flops = [self.model_config.flops(int(length)) for length in lengths]
        return float(np.dot(flops, counts)) / features.num_rows / 1e9


def parse_flags(description: str):
    """(flags, precision) of the command line."""
    parser = tuning.argument_parser(description)
    parser.add_argument("--precision", choices=("auto", *POLICIES), default="auto")
    flags = parser.parse_args()
    make_strategy("one_device", batches_in_parts=[flags.batch_size])
    return flags, resolve_precision(flags.precision)


def main() -> None:
    flags, precision = parse_flags(__doc__.splitlines()[0])
    work = Tuning(flags, precision)
    peaks = [measure_matmul_peak(precision, parts=work.parts)]
    steps = work.train.num_rows // flags.batch_size
    if not flags.bucket:  # then all steps cost the same, and much
        steps = max(2, steps // 20)
    first = work.run(1)
    rest = work.run(steps - 1)
    epochs = [rest, *(work.run(steps) for _ in range(flags.epochs))]
    predictions = [work.predict() for _ in range(1 + flags.epochs)]
    peaks.append(measure_matmul_peak(precision, parts=work.parts))
    usual = statistics.median(part["cpu_seconds"] for part in epochs[1:])
    tuning.print_result(
        flags,
        epochs,
        predictions,
        framework=f"lvbert_tf, tensorflow {tf.__version__}",
        precision=precision,
        first_step=first["cpu_seconds"],
        compiling=rest["cpu_seconds"] - usual * (steps - 1) / steps,
        first_prediction=predictions[0]["cpu_seconds"],
        training_gflop_a_row=3 * work.forward_gflop(work.train),
        prediction_gflop_a_row=work.forward_gflop(work.dev),
        matmul_peak_gflop_per_second=max(peaks) / 1e9,
    )


if __name__ == "__main__":
    main()
