"""What was measured, read from what the programs wrote, and what is chosen by it."""

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from experiments.books import experiment
from experiments.books.experiment import Finetuning, Pretraining
from experiments.evidence.jobs import processor_seconds
from experiments.finetuning.experiment import TaskPlan
from experiments.finetuning.results import FinetuningResults
from lvbert_tf.finetuning.tasks.registry import find_task
from lvbert_tf.settings.pretraining import PretrainingConfig


@dataclass(frozen=True)
class BookResults(FinetuningResults):
    """What was measured in the directory of the experiment."""

    @cached_property
    def choosing(self) -> FinetuningResults:
        """The runs by which the decays are chosen."""
        return FinetuningResults(self.output_dir / "choosing")

    def are_pretrained(self, runs: Iterable[Pretraining]) -> bool:
        """Whether these runs are complete."""
        models = self.output_dir / "models"
        return all((models / run.model_name / "preset").exists() for run in runs)

    @property
    def are_decays_known(self) -> bool:
        """Whether all runs by which decays are chosen are complete."""
        return all(
            self.choosing.metric_values(trials, self.main_metric(trials.task))
            for trials in experiment.all_decay_trials()
        )

    def best_rate(self, model: str) -> float:
        """The rate after which a short pre-training has the lowest held-out loss."""
        runs = [run for run in experiment.rate_trials() if run.model == model]
        return min(runs, key=lambda run: self.held_out(run.model_name)["loss"]).rate

    def main_metric(self, plan: TaskPlan) -> str:
        """The first metric of a task; of SQuAD's F1, as hardly an answer is exact."""
        metrics = find_task(plan.name, str(self.output_dir)).metrics
        return "f1" if plan.name == "squadv1" else metrics[0]

    def best_decays(self) -> dict[tuple[str, str, str], float]:
        """The decay with the best main metric, by the names of task, model and start."""

        def value(trials: Finetuning) -> float:
            (found,) = self.choosing.metric_values(trials, self.main_metric(trials.task))
            return found

        return {
            (task.name, model, start): max(
                experiment.decay_trials(task, model, start), key=value
            ).decay
            for task, model, start in itertools.product(
                experiment.TASKS, experiment.MODELS, experiment.STARTS
            )
        }

    def curve(self, model: str) -> list[dict[str, Any]]:
        """The held-out metrics of a model during pre-training, with `step`, in order."""
        path = self.output_dir / "models" / model / "metrics.jsonl"
        lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        return [line for line in lines if line["split"] == "eval"]

    def gflop_a_step(self, model: str) -> float:
        """Floating-point operations of a step of pre-training, in thousand millions."""
        hparams = Pretraining(model, experiment.RATES[0]).hparams
        config = PretrainingConfig.create(str(self.output_dir), model, hparams)
        return config.training_flops * config.train_batch_size / 1e9

    def seconds_a_step(self, model: str) -> float:
        """Processor seconds of a step of pre-training, evaluation included."""
        run = Pretraining(model, 0.0)
        return processor_seconds(self.output_dir)[f"pretraining-{run.model_name}"] / run.num_steps
