"""`finetuning_models/<tasks>_<trial>/`: what one trial leaves, and whether it may be continued.

The scores of a trial are in its `result.json`, which is a `TrialResult`.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.task_data import ROWS
from lvbert_tf.finetuning.tasks.bad_rows import shown
from lvbert_tf.hparams import hparam_fields
from lvbert_tf.io.files import read_json_object
from lvbert_tf.io.sealed import read_sealed_json, write_sealed_json
from lvbert_tf.io.whole import remove, replace_file, write_json
from lvbert_tf.settings.devices import DeviceHparams

# Hparams that change neither what a trial learns nor what it measures.
_FREE = frozenset(
    {
        *("num_trials", "keep_all_models", "do_train", "do_eval", "eval_batch_size"),
        *("iterations_per_loop", "save_checkpoints_steps", "log_steps"),
        *("write_test_outputs", "n_writes_test", "init_checkpoint", "vocab_file"),
        *hparam_fields(DeviceHparams),
    }
)

TaskMetrics = Mapping[str, Mapping[str, Mapping[str, float]]]
"""task -> dev split -> metric -> value."""


@dataclass(frozen=True)
class TrialResult:
    """What a trial has measured: the content of `result.json`.

    Args:
      trial: the number of the trial, from 1.
      seed: the seed of its heads, dropout and data order.
      steps: the number of training steps.
      seconds: the time of training and evaluation in the process that finished the trial.
      metrics: the metrics of the dev splits. The main metric of a task is the first one of its first
        split. `loss`, the mean over the rows, comes last where rows have labels.
      skipped_rows: task -> split -> the number of bad rows that were left out, where there were any.
    """

    trial: int
    seed: int
    steps: int
    seconds: float
    metrics: TaskMetrics
    skipped_rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def to_json_dict(self) -> dict[str, Any]:
        """The result in JSON's types: `figures` has the metrics, null where they are not finite."""
        return {
            "trial": self.trial,
            "seed": self.seed,
            "steps": self.steps,
            "seconds": self.seconds,
            "figures": _map_leaves(self.metrics, lambda x: x if math.isfinite(x) else None),
            "skipped_rows": _map_leaves(self.skipped_rows, int),
        }

    @classmethod
    def from_json_dict(cls, saved: Any) -> "TrialResult":
        """Reads what `to_json_dict` wrote; null becomes NaN.

        Raises:
          InputError: the JSON is something else.
        """
        names = ("trial", "seed", "steps", "seconds", "figures", "skipped_rows")
        if not isinstance(saved, dict):
            raise InputError(f"expected the {', '.join(names)} of a trial, got {shown(saved)}")
        for name in saved.keys() ^ set(names):
            wrong = "unexpected" if name in saved else "missing"
            raise InputError(f"a trial has {', '.join(names)}: {shown(name)} is {wrong}")
        return cls(
            trial=_count("trial", saved["trial"], least=1),
            seed=_count("seed", saved["seed"]),
            steps=_count("steps", saved["steps"]),
            seconds=_number("seconds", saved["seconds"]),
            metrics=_tree("figures", saved["figures"], 3, _metric),
            skipped_rows=_tree("skipped_rows", saved["skipped_rows"], 2, _count),
        )


@dataclass(frozen=True)
class Claim:
    """What the trials of a run depend on, but for their seeds, in JSON's types.

    Args:
      hparams: the hparams of the run.
      inputs: the fingerprint of the starting weights and the training rows.
      tasks: task -> what its model and scores depend on besides; see `TaskData.identity`.
    """

    hparams: Mapping[str, Any]
    inputs: str
    tasks: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class SavedClaim(Claim):
    """The content of a trial's `config.json`; those of earlier releases have no `tasks`."""

    seed: Any


class TrialDirectory:
    """The files of one trial: its result, predictions, models and checkpoints, and its settings.

    Args:
      models_dir: the directory of all trials, `finetuning_models/`.
      tasks: the names of the tasks, joined by commas.
      trial: the number of the trial, from 1.
      first_seed: the seed of the first trial; the next ones count up.
    """

    def __init__(self, models_dir: Path, tasks: str, trial: int, first_seed: int):
        self.trial = trial
        self.seed = first_seed + trial - 1
        self.path = models_dir / f"{tasks}_{trial}"
        self.checkpoints = self.path / "checkpoints"

    def preset(self, task: str) -> Path:
        """The path of a task's model."""
        return self.path / "presets" / task

    def result(self) -> TrialResult | None:
        """The result of the trial; None if it has not finished.

        Raises:
          InputError: the file cannot be read.
        """
        path = self.path / "result.json"
        if not path.exists():
            return None
        saved = read_sealed_json(path)
        try:
            return TrialResult.from_json_dict(saved)
        except InputError as error:
            raise InputError(f"{path} cannot be read: {error}") from error

    def write_result(self, result: TrialResult) -> None:
        """Writes the result, which marks the trial as finished, and removes its checkpoints."""
        write_sealed_json(self.path / "result.json", result.to_json_dict())
        remove(self.checkpoints)

    def write_predictions(
        self, task: str, split: str, predictions: Sequence[Mapping[str, Any]]
    ) -> None:
        """Writes predictions as JSON lines, in the order of the examples, and their hash beside them."""
        path = self._predictions(task, split)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = "".join(json.dumps(prediction) + "\n" for prediction in predictions).encode()
        _hash_file(path).unlink(missing_ok=True)  # a kill must not leave it beside another content
        replace_file(path, content)
        replace_file(_hash_file(path), hashlib.sha256(content).hexdigest())

    def read_predictions(self, task: str, split: str) -> list[dict[str, Any]] | None:
        """Reads what `write_predictions` wrote; None if it was not called.

        Raises:
          InputError: the file is damaged.
        """
        path = self._predictions(task, split)
        if not path.exists():
            return None
        content, hashed = path.read_bytes(), _hash_file(path)
        try:
            if hashed.exists() and hashed.read_text() != hashlib.sha256(content).hexdigest():
                raise ValueError("its content is not what was written")
            return [json.loads(line) for line in content.decode().splitlines()]
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(
                f"{path} is damaged: {error}; remove it, and do_train false writes it again"
            ) from error

    def _predictions(self, task: str, split: str) -> Path:
        return self.path / "predictions" / f"{task}_{split}.jsonl"

    def remove(self) -> None:
        """Removes everything of the trial."""
        remove(self.path)

    def remove_models(self) -> None:
        """Removes the models, and keeps the result and the predictions."""
        remove(self.path / "presets")

    def check(self, claim: "Claim") -> None:
        """Refuses to continue the trial with other settings, weights or data.

        Raises:
          InputError: something differs; the message says what.
        """
        saved = self._saved_claim()
        if saved is None:
            return
        differences = _differences(saved.hparams, claim.hparams)
        if saved.seed != self.seed:
            differences.append(f"seed: {saved.seed} there, {self.seed} here")
        for name in saved.tasks.keys() & claim.tasks.keys():
            differences += [
                f"{line} ({name})" for line in _differences(saved.tasks[name], claim.tasks[name])
            ]
        if saved.inputs != claim.inputs and not differences:
            differences.append("the pre-trained weights or the training data have changed")
        if differences:
            raise InputError(
                f"{self.path} is of a run with other settings ({'; '.join(differences)});"
                " --overwrite starts again, or use those settings"
            )

    def check_given(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Refuses hparams that would have no effect, as the trial was trained with others.

        Args:
          given: the hparams that the user has set, in JSON's types.

        Returns:
          the hparams that the trial was trained with, with those of `given` that may change.

        Raises:
          InputError: one of them differs from what the trial was trained with.
        """
        saved = self._saved_claim()
        trained = {} if saved is None else saved.hparams
        differences = _differences(trained, {n: v for n, v in given.items() if n in trained})
        if differences:
            raise InputError(
                f"{self.path} was trained with other settings ({'; '.join(differences)}), and"
                " do_train false evaluates it as it is"
            )
        return {**trained, **given}

    def claim(self, claim: "Claim") -> None:
        """Writes down the settings of the trial, for `check`."""
        self.path.mkdir(parents=True, exist_ok=True)
        content = {**vars(claim), "seed": self.seed}
        write_json(self.path / "config.json", content)

    def _saved_claim(self) -> "SavedClaim | None":
        path = self.path / "config.json"
        if not path.exists():
            return None
        saved = read_json_object(path)
        try:
            tasks = {name: dict(value) for name, value in dict(saved.get("tasks", {})).items()}
            return SavedClaim(dict(saved["hparams"]), saved["inputs"], tasks, saved["seed"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} cannot be read: {error!r}") from error


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Lines on the settings that a trial depends on and that are not alike."""
    return [
        f"{name} have changed"
        if name.startswith(ROWS)
        else f"{name}: {theirs.get(name)!r} there, {value!r} here"
        for name, value in ours.items()
        if name not in _FREE and name != "seed" and theirs.get(name) != value
        # Which splits were read is up to the run.
        if name in theirs or not name.startswith(ROWS)
    ]


def _hash_file(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256")


def _map_leaves(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping):
        return {name: _map_leaves(item, function) for name, item in value.items()}
    return function(value)


def _tree(place: str, value: Any, depth: int, leaf: Callable[[str, Any], Any]) -> Any:
    """Reads objects nested `depth` levels deep; `leaf` reads the values at the bottom."""
    if depth == 0:
        return leaf(place, value)
    if not isinstance(value, dict):
        raise InputError(f"{place}: expected names and values, got {shown(value)}")
    return {
        name: _tree(f"{place}[{shown(name)}]", item, depth - 1, leaf)
        for name, item in value.items()
    }


def _count(place: str, value: Any, least: int = 0) -> int:
    if type(value) is not int or value < least:
        raise InputError(f"{place}: expected an integer from {least}, got {shown(value)}")
    return value


def _number(place: str, value: Any) -> float:
    try:
        number = float(value) if type(value) in (int, float) else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{place}: expected a number, got {shown(value)}")
    return number


def _metric(place: str, value: Any) -> float:
    return math.nan if value is None else _number(place, value)
