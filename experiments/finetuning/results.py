"""The metrics of all trials, read from what the programs wrote."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from experiments.evidence.jobs import processor_seconds
from experiments.finetuning.experiment import TaskPlan


class Trials(Protocol):
    """The trials of one run of run_finetuning.py.

    Attributes:
      name: the name of the run's log.
      model_name: the directory of the trials under models/.
      task: what is learned.
      num_trials: how many trials there are.
      hparams: the hyperparameters.
    """

    @property
    def name(self) -> str: ...

    @property
    def model_name(self) -> str: ...

    @property
    def task(self) -> TaskPlan: ...

    @property
    def num_trials(self) -> int: ...

    @property
    def hparams(self) -> dict[str, Any]: ...


def trial_file(output_dir: Path, trials: Trials, trial: int) -> Path:
    """The file that run_finetuning.py writes when a trial is complete. Trials are counted from 1."""
    directory = output_dir / "models" / trials.model_name / "finetuning_models"
    return directory / f"{trials.task.name}_{trial}" / "result.json"


@dataclass(frozen=True)
class FinetuningResults:
    """What was measured.

    Args:
      output_dir: the directory of the experiment.
    """

    output_dir: Path

    def metric_values(self, trials: Trials, metric: str) -> list[float]:
        """A metric of the dev set, a value for each trial that is complete."""
        numbers = range(1, trials.num_trials + 1)
        files = [trial_file(self.output_dir, trials, number) for number in numbers]
        found = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]
        return [trial["figures"][trials.task.name]["dev"][metric] for trial in found]

    def held_out(self, model: str) -> dict[str, Any]:
        """The held-out metrics of a pre-trained model, by name."""
        path = self.output_dir / "models" / model / "eval.json"
        return json.loads(path.read_text(encoding="utf-8"))

    @cached_property
    def processor_hours(self) -> dict[str, float]:
        """The processor hours of all programs, by kind: pre-training and fine-tuning."""
        hours = {"pre-training": 0.0, "fine-tuning": 0.0}
        for name, seconds in processor_seconds(self.output_dir).items():
            kind = "pre-training" if name.startswith(("pretraining-", "records")) else "fine-tuning"
            hours[kind] += seconds / 3600
        return hours
