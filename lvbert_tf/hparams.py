"""Hyperparameters: declaring them, checking them, and building a configuration from them.

A configuration is a frozen dataclass whose settable fields are made by `hparam` and whose
`__post_init__` calls `check`. Type checks, legal ranges and spelling help then come from here, for
every configuration alike. `settings.user_hparams` reads the values that a user gives.
"""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lvbert_tf.errors import InputError, nearest

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """An interval of legal numbers. Its ends belong to it unless they are declared open."""

    low: float
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = self.low < value if self.open_low else self.low <= value
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        low = f"{'>' if self.open_low else '>='} {self.low:g}"
        if math.isinf(self.high):
            return low
        return f"{low} and {'<' if self.open_high else '<='} {self.high:.10g}"


AT_LEAST_0 = Range(0)
SEED = Range(0, 2**31 - 1)
AT_LEAST_1 = Range(1)
POSITIVE = Range(0, open_low=True)
COUNT = Range(1, 2**31 - 1)  # of what TensorFlow counts in 32 bits
BATCH = Range(1, 2**20)  # more are a slip of the hand: no memory holds them
FRACTION = Range(0, 1, open_low=True)
OPEN_FRACTION = Range(0, 1, open_low=True, open_high=True)
DROPOUT = Range(0, 1, open_high=True)


def hparam(default: Any, legal: Range | tuple[str | bool, ...] | None = None, doc: str = "") -> Any:
    """A dataclass field that a user may set.

    Args:
      default: the value if the user gives none. With `dataclasses.MISSING` the user has to give one.
      legal: the Range of a number, or the allowed words of a text, with True and False where the type
        is `bool | str`.
      doc: one line for `help_lines`, with the unit.
    """
    return dataclasses.field(default=default, metadata={"hparam": True, "legal": legal, "doc": doc})


def hparam_fields(config_type: type) -> dict[str, dataclasses.Field]:
    """The fields that a user may set, by name: those of the class itself, then the inherited ones."""
    fields = dataclasses.fields(config_type)
    own = [field for field in fields if field.name in config_type.__annotations__]
    inherited = [field for field in fields if field not in own]
    return {field.name: field for field in (*own, *inherited) if field.metadata.get("hparam")}


def check(config: Any) -> None:
    """Converts and validates every hparam of a dataclass in place. It is called in `__post_init__`.

    Raises:
      InputError: see `convert`.
    """
    names = hparam_fields(type(config))
    for name, value in convert(type(config), {n: getattr(config, n) for n in names}).items():
        object.__setattr__(config, name, value)  # the dataclass is frozen


def part(owner: type[T], config: Any) -> T:
    """The values of a configuration that one owner receives.

    Args:
      owner: a dataclass whose fields have the names of fields or properties of `config`.
      config: the whole configuration.
    """
    names = [field.name for field in dataclasses.fields(owner)]  # type: ignore[arg-type]
    return owner(**{name: getattr(config, name) for name in names})


def check_names(names: Iterable[str], known: Collection[str]) -> None:
    """Refuses unknown names.

    Raises:
      InputError: a name is unknown. The error names the first such name and the nearest known one.
    """
    for name in names:
        if name not in known:
            raise InputError(
                f"unknown hparam {name!r}; the nearest known one is {nearest(str(name), known)!r}"
            )


def convert(config_type: type, hparams: Mapping[str, Any]) -> dict[str, Any]:
    """Converts a user's values to the types of the fields, and validates each by itself.

    Where a field is an integer, an integral float becomes one; where it is a float, an integer does.
    A field whose type has a `parse` method (such as LayerString) takes what that reads. A nested
    configuration takes a mapping.

    Raises:
      InputError: a name is unknown, or a value has a wrong type or is not allowed. The error names the
        hparam, its value and what is allowed.
    """
    known, hints = hparam_fields(config_type), typing.get_type_hints(config_type)
    check_names(hparams, known)
    converted = {}
    for name, given in hparams.items():
        value = _convert_value(name, given, hints[name])
        legal = known[name].metadata["legal"]
        if legal is not None and value is not None and value not in legal:
            raise InputError(f"{name}: {_shown(value)} is not allowed; use {_legal_text(legal)}")
        converted[name] = value
    return converted


def build(config_type: type[T], hparams: Mapping[str, Any], **fixed: Any) -> T:
    """Makes a configuration from a user's hparams.

    Args:
      config_type: a dataclass with `hparam` fields.
      hparams: the user's values by name.
      **fixed: the values of fields that are not hparams.

    Raises:
      InputError: see `convert`. It is also raised if a required hparam is missing.
    """
    values = convert(config_type, hparams)
    for name, field in hparam_fields(config_type).items():
        if field.default is dataclasses.MISSING and name not in values:
            raise InputError(f"hparam {name!r} is missing")
    return config_type(**fixed, **values)


def to_json(config: Any) -> dict[str, Any]:
    """The hparams of a configuration as JSON types; `build` reads it back."""
    return {name: _plain(getattr(config, name)) for name in hparam_fields(type(config))}


def help_lines(config_type: type, leave_out: Collection[str] = ()) -> str:
    """The part of `--help` about hparams: a line with name, default, meaning and range for each."""
    lines = []
    for name, field in hparam_fields(config_type).items():
        if name in leave_out:
            continue
        default, legal = json.dumps(_plain(field.default)), field.metadata["legal"]
        allowed = "" if legal is None else f" ({_legal_text(legal)})"
        lines.append(f"{name} = {default}: {field.metadata['doc']}{allowed}")
    return "\n".join(lines)


def _legal_text(legal: Range | tuple[str, ...]) -> str:
    if isinstance(legal, tuple):
        return " | ".join(word if isinstance(word, str) else json.dumps(word) for word in legal)
    return str(legal)


_TYPE_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "text"}


def _convert_value(name: str, value: Any, expected: Any) -> Any:
    if isinstance(expected, types.UnionType):
        options = typing.get_args(expected)
        if value is None and types.NoneType in options:
            return None
        expected = type(value) if type(value) in options else options[0]
    if _is_number(value):
        if expected is float:
            return float(value)
        if expected is int and value == int(value):
            return int(value)
    if expected in (bool, str) and type(value) is expected:
        return value
    try:
        if hasattr(expected, "parse"):
            return expected.parse(value)
        if isinstance(expected, type) and dataclasses.is_dataclass(expected):
            if isinstance(value, expected):
                return value
            if isinstance(value, Mapping):
                return build(expected, value)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    wanted = _TYPE_NAMES.get(expected, "a table of names and values")
    raise InputError(f"{name}: expected {wanted}, got {_shown(value)} ({type(value).__name__})")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _is_number(value: Any) -> bool:
    """Whether the value is a finite number that fits 64 bits. A boolean is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**63


def _plain(value: Any) -> Any:
    if hasattr(value, "parse"):
        return str(value)
    if dataclasses.is_dataclass(value):
        return {key: item for key, item in to_json(value).items() if item is not None}
    return value
