"""What a trial of fine-tuning measured, as a value that is kept as JSON."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.tasks.bad_rows import shown

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
