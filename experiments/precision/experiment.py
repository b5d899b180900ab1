"""The experiment as values: what is pre-trained and fine-tuned in which precision."""

import itertools
from dataclasses import dataclass
from typing import Any

from experiments.finetuning import experiment as finetuning
from experiments.finetuning.experiment import TaskPlan

PRECISIONS = ("float32", "bfloat16")
NUM_TRIALS = 10
PRETRAINING_SEEDS = (1, 2)

TASKS = tuple(plan for plan in finetuning.TASKS if plan.name in ("pos", "sst"))

PRETRAINING: dict[str, Any] = {
    **finetuning.PRETRAINING,
    "custom_layer_list": "CCAFFA",  # the first quarter of LV-BERT-small
    "num_train_steps": 600,
    "num_warmup_steps": 120,
}


@dataclass(frozen=True)
class Pretraining:
    """A pre-training run.

    Attributes:
      precision: the number format of its layers.
      seed: the seed of the weights, the masks and the order of the records.
    """

    precision: str
    seed: int

    @property
    def model_name(self) -> str:
        """The name of its model directory."""
        return f"{self.precision}-{self.seed}"

    @property
    def hparams(self) -> dict[str, Any]:
        """The hyperparameters for run_pretraining.py."""
        return {**PRETRAINING, "precision": self.precision, "seed": self.seed}


START = Pretraining("float32", PRETRAINING_SEEDS[0])
"""The run whose weights all fine-tunings start from."""


@dataclass(frozen=True)
class Finetuning:
    """The trials of a task in one precision; trial n has the same seed in every precision.

    Attributes:
      task: what is learned.
      precision: the number format of the layers.
    """

    task: TaskPlan
    precision: str
    num_trials: int = NUM_TRIALS

    @property
    def name(self) -> str:
        """The name of its log."""
        return f"{self.task.name}-{self.precision}"

    @property
    def model_name(self) -> str:
        """The directory of its trials under models/."""
        return f"finetuned-{self.precision}"

    @property
    def hparams(self) -> dict[str, Any]:
        """The hyperparameters for run_finetuning.py."""
        return {
            **finetuning.FINETUNING,
            **finetuning.START_HPARAMS["pre-trained"],
            **self.task.hparams,
            "num_trials": self.num_trials,
            "precision": self.precision,
            "task_names": [self.task.name],
            "init_checkpoint": f"{{data_dir}}/models/{START.model_name}",
        }


def pretrainings() -> list[Pretraining]:
    """All pre-training runs; that of `START` comes first."""
    return [Pretraining(*parts) for parts in itertools.product(PRECISIONS, PRETRAINING_SEEDS)]


def finetunings() -> list[Finetuning]:
    """All fine-tunings, one task after the other."""
    return [Finetuning(*parts) for parts in itertools.product(TASKS, PRECISIONS)]


def settings() -> dict[str, Any]:
    """The settings that all results depend on, as JSON types."""
    return {
        "pretraining": PRETRAINING,
        "held_out_fraction": finetuning.HELD_OUT_FRACTION,
        "finetuning": {**finetuning.FINETUNING, **finetuning.START_HPARAMS["pre-trained"]},
        "tasks": {task.name: [task.num_train, task.num_dev, task.hparams] for task in TASKS},
        "num_trials": NUM_TRIALS,
    }
