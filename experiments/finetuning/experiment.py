"""The experiment as values: the models, the tasks, and how both are trained.

The models, the recipe and the tasks were fixed before the first metric was seen; the numbers of rows
were cut after the first trials of one task, for time.
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

from lvbert_tf.architecture.layer_string import ELECTRA, LV_BERT_SMALL

MODELS = {"lv_bert": str(LV_BERT_SMALL), "af": str(ELECTRA)}
"""Directory -> layers: the searched string, and attention and feed-forward in turn."""
STARTS = ("pre-trained", "from scratch")
NUM_TRIALS = 5
FIRST_SEED = 1

VOCABULARY_SIZE, LENGTH = 8192, 128
HELD_OUT_FRACTION = 0.05

PRETRAINING: dict[str, Any] = {
    "model_size": "small",
    # Within so few steps a discriminator learns next to nothing from a generator that learns itself.
    "electra_objective": False,
    "vocab_size": VOCABULARY_SIZE,
    "embedding_size": 128,
    "max_seq_length": LENGTH,
    "train_batch_size": 16,
    "learning_rate": 7e-4,
    "num_train_steps": 1500,
    "num_warmup_steps": 300,
    "eval_every_steps": 0,
    "num_eval_steps": 16,
    "eval_batch_size": 64,
    "log_steps": 50,
    "save_checkpoints_steps": 100,
    "seed": FIRST_SEED,
    "model_hparam_overrides": {
        "hidden_size": 128,
        "num_attention_heads": 2,
        "max_position_embeddings": LENGTH,
        # Less than an epoch.
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
}

FINETUNING: dict[str, Any] = {
    "num_trials": NUM_TRIALS,
    "seed": FIRST_SEED,
    "learning_rate": 3e-4,
    "train_batch_size": 32,
    "eval_batch_size": 64,
    "max_seq_length": LENGTH,
    "num_train_epochs": 2.0,
    "double_unordered": False,  # which would double the time
    "skip_bad_rows": True,  # a few of SQuAD's answers are not at their offset
    "keep_all_models": False,
    "save_checkpoints_steps": 10_000,
    "log_steps": 50,
}
START_HPARAMS: dict[str, dict[str, Any]] = {
    "pre-trained": {"from_scratch": False, "layerwise_lr_decay": 0.9},
    # What knows nothing has nothing to keep: all layers learn at the same rate.
    "from scratch": {"from_scratch": True, "layerwise_lr_decay": 1.0},
}


@dataclass(frozen=True)
class TaskPlan:
    """A task of the experiment.

    Args:
      name: of its folder, and for `task_names`.
      title: in the tables.
      num_train, num_dev: examples that are taken of each split; all, where it has fewer.
      hparams: what differs from `FINETUNING`.
    """

    name: str
    title: str
    num_train: int
    num_dev: int
    hparams: dict[str, Any] = field(default_factory=dict, hash=False)


TASKS = (
    TaskPlan("pos", "Brown POS", 2500, 500),
    TaskPlan("sentiment", "sentiment", 3000, 1000),
    TaskPlan("sst", "SST-2", 3000, 1000),
    TaskPlan("squadv1", "SQuAD", 400, 200, {"doc_stride": 64, "max_query_length": 32}),
    TaskPlan("cola", "CoLA", 3000, 2000),
    TaskPlan("mrpc", "MRPC", 1600, 500),
)


@dataclass(frozen=True)
class Pretraining:
    """The pre-training of a model.

    Args:
      model: the encoder, a key of `MODELS`.
    """

    model: str

    @property
    def model_name(self) -> str:
        """The name of its model directory."""
        return self.model

    @property
    def hparams(self) -> dict[str, Any]:
        """The hyperparameters for run_pretraining.py."""
        return {**PRETRAINING, "custom_layer_list": MODELS[self.model]}


@dataclass(frozen=True)
class Finetuning:
    """The trials of a model on a task from one start.

    Args:
      task: what is learned.
      model: the encoder, a key of `MODELS`.
      start: what the weights are at first, one of `STARTS`.
    """

    task: TaskPlan
    model: str
    start: str
    num_trials: int = NUM_TRIALS

    @property
    def name(self) -> str:
        """The name of its log."""
        return f"{self.task.name}-{self.model}-{self.start.replace(' ', '_')}"

    @property
    def model_name(self) -> str:
        """The directory of its trials under models/."""
        return self.model if self.start == "pre-trained" else f"{self.model}-from_scratch"

    @property
    def hparams(self) -> dict[str, Any]:
        """The hyperparameters for run_finetuning.py."""
        return {
            **FINETUNING,
            **START_HPARAMS[self.start],
            **self.task.hparams,
            "task_names": [self.task.name],
            "init_checkpoint": f"{{data_dir}}/models/{self.model}",
        }


def pretrainings() -> list[Pretraining]:
    """The pre-trainings of all models."""
    return [Pretraining(model) for model in MODELS]


def finetunings() -> list[Finetuning]:
    """All of the fine-tunings, one task after the other."""
    return [Finetuning(*parts) for parts in itertools.product(TASKS, MODELS, STARTS)]


def settings() -> dict[str, Any]:
    """The settings that all results depend on, as JSON types."""
    return {
        "models": MODELS,
        "pretraining": PRETRAINING,
        "held_out_fraction": HELD_OUT_FRACTION,
        "finetuning": FINETUNING,
        "starts": START_HPARAMS,
        "tasks": {task.name: [task.num_train, task.num_dev, task.hparams] for task in TASKS},
    }
