"""`finetuning_models/<tasks>_<trial>/`: what a trial leaves, and whether it may be continued."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lvbert_tf import hparams
from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.results.results import TrialResult
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.io.whole import replace_file, write_json

# Hparams that change neither what a trial learns nor what is measured of it.
_FREE = frozenset(
    {
        *("num_trials", "keep_all_models", "do_train", "do_eval", "eval_batch_size"),
        *("iterations_per_loop", "save_checkpoints_steps", "log_steps"),
        *("write_test_outputs", "n_writes_test", "init_checkpoint", "vocab_file"),
        *("use_tpu", "num_tpu_cores", "tpu_job_name", "tpu_name", "tpu_zone", "gcp_project"),
    }
)


class TrialDirectory:
    """The files of one trial.

    Args:
      config: of the run.
      trial: counted from 1.
    """

    def __init__(self, config: FinetuningConfig, trial: int):
        self.config = config
        self.trial = trial
        self.path = config.model_dir / "finetuning_models" / f"{config.task_names}_{trial}"
        self.checkpoints = self.path / "checkpoints"

    @property
    def seed(self) -> int:
        """Of the trial."""
        return self.config.seed + self.trial - 1

    def preset(self, task: str) -> Path:
        """Where the model of a task is kept."""
        return self.path / "presets" / task

    def result(self) -> TrialResult | None:
        """The figures of a trial that has finished.

        Raises:
          InputError: the file cannot be read.
        """
        path = self.path / "result.json"
        if not path.exists():
            return None
        try:
            return TrialResult.from_json_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read: {error}") from error

    def write_result(self, result: TrialResult) -> None:
        """Says that the trial has finished; its checkpoints are needed no more."""
        write_json(self.path / "result.json", result.to_json_dict())
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def write_predictions(
        self, task: str, split: str, predictions: Sequence[Mapping[str, Any]]
    ) -> None:
        """Writes a JSON object a line, in the order of the examples."""
        path = self.path / "predictions" / f"{task}_{split}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, "".join(json.dumps(prediction) + "\n" for prediction in predictions))

    def read_predictions(self, task: str, split: str) -> list[dict[str, Any]] | None:
        """What `write_predictions` wrote, if it was called."""
        path = self.path / "predictions" / f"{task}_{split}.jsonl"
        if not path.exists():
            return None
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def remove(self) -> None:
        """Forgets the trial."""
        shutil.rmtree(self.path, ignore_errors=True)

    def remove_models(self) -> None:
        """Keeps the figures alone."""
        shutil.rmtree(self.path / "presets", ignore_errors=True)

    def check(self, inputs: str) -> None:
        """Refuses to continue a trial with other settings.

        Args:
          inputs: fingerprint of the starting weights and the training rows.

        Raises:
          InputError: naming what differs.
        """
        differences = self._differences(self._claim(inputs))
        if differences:
            raise InputError(
                f"{self.path} is of a run with other settings ({'; '.join(differences)});"
                " --overwrite starts again, or use those settings"
            )

    def claim(self, inputs: str) -> None:
        """Notes what the trial is made of; see `check`."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / "config.json", self._claim(inputs))

    def _claim(self, inputs: str) -> dict[str, Any]:
        return {"hparams": hparams.to_json(self.config), "seed": self.seed, "inputs": inputs}

    def _differences(self, mine: Mapping[str, Any]) -> list[str]:
        path = self.path / "config.json"
        if not path.exists():
            return []
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            theirs, ours = dict(saved["hparams"]), mine["hparams"]
            seed, inputs = saved["seed"], saved["inputs"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} cannot be read: {error!r}") from error
        lines = [
            f"{name}: {theirs.get(name)!r} there, {value!r} here"
            for name, value in ours.items()
            if name not in _FREE and name != "seed" and theirs.get(name) != value
        ]
        if seed != mine["seed"]:
            lines.append(f"seed: {seed} there, {mine['seed']} here")
        if inputs != mine["inputs"] and not lines:
            lines.append("the pre-trained weights or the training data have changed")
        return lines
