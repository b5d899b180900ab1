"""The figures of all trials, read from what the programs wrote."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.finetuning.experiment import NUM_TRIALS, Finetuning
from experiments.finetuning.programs import processor_seconds


def trial_file(output_dir: Path, finetuning: Finetuning, trial: int) -> Path:
    """What run_finetuning.py writes when a trial, counted from 1, is complete."""
    directory = output_dir / "models" / finetuning.model_name / "finetuning_models"
    return directory / f"{finetuning.task.name}_{trial}" / "result.json"


@dataclass(frozen=True)
class Results:
    """What was measured.

    Args:
      output_dir: of the benchmark.
    """

    output_dir: Path

    def figures(self, finetuning: Finetuning, metric: str) -> list[float]:
        """A figure of the dev set, of each trial that is complete."""
        files = [
            trial_file(self.output_dir, finetuning, trial) for trial in range(1, NUM_TRIALS + 1)
        ]
        found = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]
        return [trial["figures"][finetuning.task.name]["dev"][metric] for trial in found]

    def held_out(self, model: str) -> dict[str, Any]:
        """The held-out figures of pre-training."""
        path = self.output_dir / "models" / model / "eval.json"
        return json.loads(path.read_text(encoding="utf-8"))

    @cached_property
    def processor_hours(self) -> dict[str, float]:
        """Of the programs, by kind: pretraining and fine-tuning."""
        hours = {"pre-training": 0.0, "fine-tuning": 0.0}
        for name, seconds in processor_seconds(self.output_dir).items():
            kind = "pre-training" if name.startswith(("pretraining-", "records")) else "fine-tuning"
            hours[kind] += seconds / 3600
        return hours
