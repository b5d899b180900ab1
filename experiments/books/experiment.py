"""The experiment as values: what is pre-trained on books, and what is fine-tuned on which tasks."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.finetuning.experiment import TaskPlan
from lvbert_tf.architecture.layer_string import ELECTRA, LV_BERT_SMALL

MODELS = {"lv_bert": str(LV_BERT_SMALL), "af": str(ELECTRA)}
"""Directory -> layers: the searched string, and attention and feed-forward in turn."""
STARTS = ("pre-trained", "from scratch")

VOCABULARY_SIZE, LENGTH = 16_384, 128
HELD_OUT_FRACTION = 0.02

RATES = (5e-4, 1e-3, 2e-3)
RATE_STEPS = 600
# Batches of 64: nearly an epoch of 605,000 examples.
NUM_STEPS = 9200
SAVED_EVERY = 230
SHARES = (8, 4, 2, 1)
"""Fine-tuning also starts after these parts of pre-training: an eighth, a quarter, a half, all."""

PRETRAINING: dict[str, Any] = {
    "model_size": "small",
    "vocab_size": VOCABULARY_SIZE,
    "embedding_size": 128,
    "generator_hidden_size": 0.5,
    "max_seq_length": LENGTH,
    "train_batch_size": 64,
    "num_eval_steps": 160,  # all of the books that are held out
    "eval_batch_size": 64,
    "log_steps": 50,
    "precision": "float32",
    "seed": 1,
    "model_hparam_overrides": {
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_attention_heads": 2,
        "max_position_embeddings": 512,
        # Less than an epoch.
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
}

FINETUNING: dict[str, Any] = {
    "num_trials": 10,
    "seed": 1,
    "learning_rate": 5e-4,
    "train_batch_size": 32,
    "eval_batch_size": 64,
    "max_seq_length": LENGTH,
    "num_train_epochs": 3.0,
    "double_unordered": False,  # which would double the time
    "skip_bad_rows": True,  # a few of SQuAD's answers are not at their offset
    "keep_all_models": False,
    "save_checkpoints_steps": 1000,
    "log_steps": 50,
    "precision": "float32",
}
DECAYS = {"pre-trained": (0.8, 0.9, 1.0), "from scratch": (1.0, 0.9)}
"""Start -> the values of `layerwise_lr_decay` that are tried on a part of the training set."""

_WINDOWS = {"doc_stride": 64, "max_query_length": 32}
TASKS = (
    TaskPlan("cola", "CoLA", 10_000, 2000),
    TaskPlan("mrpc", "MRPC", 4000, 500, {"num_train_epochs": 5.0}),
    TaskPlan("sst", "SST-2", 70_000, 1000, {"num_trials": 5}),
    TaskPlan("sentiment", "sentiment", 10_000, 2000),
    TaskPlan("pos", "Brown POS", 8000, 2000),
    TaskPlan("squadv1", "SQuAD", 1500, 500, {"num_trials": 5, **_WINDOWS}),
)
GROWTH = {"cola": 3, "pos": 3, "sst": 1}
"""Task -> trials after each part of pre-training."""
MOST_ROWS_TO_CHOOSE_BY = 10_000
"""Rows of a task's training set at most that a decay is chosen with."""


@dataclass(frozen=True)
class Pretraining:
    """A pre-training run.

    Attributes:
      model: the encoder, a key of `MODELS`.
      rate: the peak of the learning rate.
      num_steps: its steps.
    """

    model: str
    rate: float
    num_steps: int = NUM_STEPS

    @property
    def model_name(self) -> str:
        """The name of its model directory."""
        return self.model if self.num_steps == NUM_STEPS else f"{self.model}-rate_{self.rate:g}"

    @property
    def hparams(self) -> dict[str, Any]:
        """The hyperparameters for run_pretraining.py."""
        whole = self.num_steps == NUM_STEPS
        return {
            **PRETRAINING,
            "custom_layer_list": MODELS[self.model],
            "learning_rate": self.rate,
            "num_train_steps": self.num_steps,
            "num_warmup_steps": 500 if whole else 100,
            "eval_every_steps": 1150 if whole else 0,
            "save_checkpoints_steps": SAVED_EVERY if whole else 100,
            "keep_checkpoint_max": 0 if whole else 1,
        }


@dataclass(frozen=True)
class Finetuning:
    """The trials of a model on a task from one start.

    Attributes:
      task: what is learned.
      model: the encoder, a key of `MODELS`.
      start: what the weights are at first, one of `STARTS`.
      decay: of the layers' rates.
      share: the weights are those after one of so many equal parts of pre-training.
      num_trials: seeds.
      chooses: whether the decay is chosen by it; such runs have a data directory of their own.
    """

    task: TaskPlan
    model: str
    start: str
    decay: float
    share: int = 1
    num_trials: int = FINETUNING["num_trials"]
    chooses: bool = False

    @property
    def name(self) -> str:
        """The name of its log."""
        return f"{'choosing-' if self.chooses else ''}{self.task.name}-{self.model_name}"

    @property
    def model_name(self) -> str:
        """The directory of its trials under models/."""
        share = "" if self.share == 1 else f"-part_{self.share}"
        return f"{self.model}-{self.start.replace(' ', '_')}{share}-decay_{self.decay:g}"

    @property
    def hparams(self) -> dict[str, Any]:
        """The hyperparameters for run_finetuning.py."""
        encoder = f"{{data_dir}}{'/..' if self.chooses else ''}/models/{self.model}"
        if self.share > 1:
            encoder += f"/checkpoints/step-{NUM_STEPS // self.share:08d}"
        return {
            **FINETUNING,
            **self.task.hparams,
            "num_trials": self.num_trials,
            "task_names": [self.task.name],
            "init_checkpoint": encoder,
            "from_scratch": self.start == "from scratch",
            "layerwise_lr_decay": self.decay,
        }


def rate_trials() -> list[Pretraining]:
    """The short runs by which each model's rate is chosen."""
    return [Pretraining(*parts, RATE_STEPS) for parts in itertools.product(MODELS, RATES)]


def decay_trials(task: TaskPlan, model: str, start: str) -> list[Finetuning]:
    """The runs, each with one seed, by which the decay of a task, model and start is chosen."""
    return [
        Finetuning(task, model, start, decay, num_trials=1, chooses=True) for decay in DECAYS[start]
    ]


def all_decay_trials() -> Iterator[Finetuning]:
    """Those of all tasks, models and starts."""
    for parts in itertools.product(TASKS, MODELS, STARTS):
        yield from decay_trials(*parts)


def finetunings(decays: Mapping[tuple[str, str, str], float]) -> Iterator[Finetuning]:
    """All fine-tunings of the tables: first those after all of pre-training and from scratch.

    Args:
      decays: the chosen decay by the names of task, model and start.
    """
    for task, model, start in itertools.product(TASKS, MODELS, STARTS):
        yield main_trials(task, model, start, decays[task.name, model, start])
    for task, model in itertools.product(growth_tasks(), MODELS):
        yield from growth_trials(task, model, decays[task.name, model, STARTS[0]])


def growth_tasks() -> list[TaskPlan]:
    """The tasks that are learned after each part of pre-training as well."""
    return [task for task in TASKS if task.name in GROWTH]


def main_trials(task: TaskPlan, model: str, start: str, decay: float) -> Finetuning:
    """All seeds of a task, model and start."""
    trials = task.hparams.get("num_trials", FINETUNING["num_trials"])
    return Finetuning(task, model, start, decay, num_trials=trials)


def growth_trials(task: TaskPlan, model: str, decay: float) -> list[Finetuning]:
    """A few seeds from the weights of each part of pre-training but the whole."""
    return [
        Finetuning(task, model, STARTS[0], decay, share, GROWTH[task.name]) for share in SHARES[:-1]
    ]


def settings() -> dict[str, Any]:
    """The settings that all results depend on, as JSON types."""
    return {
        "models": MODELS,
        "pretraining": [run.hparams for run in (*rate_trials(), Pretraining("lv_bert", 1e-3))],
        "saved_every": [SAVED_EVERY, *SHARES],
        "held_out_fraction": HELD_OUT_FRACTION,
        "finetuning": FINETUNING,
        "decays": {start: list(decays) for start, decays in DECAYS.items()},
        "rows_to_choose_by": MOST_ROWS_TO_CHOOSE_BY,
        "growth": GROWTH,
        "tasks": {task.name: [task.num_train, task.num_dev, task.hparams] for task in TASKS},
    }
