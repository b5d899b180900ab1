"""What a trial of fine-tuning came to, as a value."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.tasks.bad_rows import shown

Figures = Mapping[str, float]  # metric -> figure, the main one first, `loss` last


@dataclass(frozen=True)
class TrialResult:
    """The figures of one trial.

    Args:
      trial: counted from 1.
      seed: of its head, dropout and data order.
      steps: it was trained for.
      seconds: training and evaluation took, in the process that finished it.
      figures: task -> dev split -> metric -> figure. A task's first split is its main one, and a
        split's first metric; `loss`, the mean over its rows, comes last where it can be told.
      skipped_rows: task -> split -> bad rows that were left out, where there were any.
    """

    trial: int
    seed: int
    steps: int
    seconds: float
    figures: Mapping[str, Mapping[str, Figures]]
    skipped_rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def to_json_dict(self) -> dict[str, Any]:
        """The result in JSON's types; a figure that is not finite becomes null."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        plain["figures"] = _map_leaves(self.figures, lambda x: x if math.isfinite(x) else None)
        plain["skipped_rows"] = _map_leaves(self.skipped_rows, int)
        return plain

    @classmethod
    def from_json_dict(cls, saved: Any) -> "TrialResult":
        """Reads what `to_json_dict` wrote; null becomes NaN.

        Raises:
          InputError: it is something else.
        """
        names = [item.name for item in fields(cls)]
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
            figures=_tree("figures", saved["figures"], 3, _figure),
            skipped_rows=_tree("skipped_rows", saved["skipped_rows"], 2, _count),
        )


def _map_leaves(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping):
        return {name: _map_leaves(item, function) for name, item in value.items()}
    return function(value)


def _tree(place: str, value: Any, depth: int, leaf: Callable[[str, Any], Any]) -> Any:
    """Objects within objects, `depth` of them, with leaves that `leaf` reads."""
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


def _figure(place: str, value: Any) -> float:
    return math.nan if value is None else _number(place, value)
