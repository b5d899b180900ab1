"""Our weights beside the tensors of other code bases: how one becomes the other, bit for bit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from lvbert_tf.errors import InputError


@dataclass(frozen=True)
class ForeignWeight:
    """One of our weights and the tensors that hold it elsewhere.

    Args:
        weight: our variable.
        names: theirs; our weight is their values side by side on the last axis, in our shape.
        shape: of each of theirs; None: that of our weight, its last axis shared out evenly.
        transposed: whether theirs are (outputs, inputs), as PyTorch keeps dense kernels.
    """

    weight: keras.Variable
    names: tuple[str, ...]
    shape: tuple[int, ...] | None = None
    transposed: bool = False

    @property
    def part_shape(self) -> tuple[int, ...]:
        """The shape of each of the tensors elsewhere."""
        if self.shape is not None:
            return self.shape
        *outer, last = self.weight.shape
        shape = (*outer, last // len(self.names))
        return shape[::-1] if self.transposed else shape

    def join(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """The value of our weight from theirs."""
        parts = [part.T if self.transposed else part for part in parts]
        return np.concatenate(parts, axis=-1).reshape(self.weight.shape)

    def split(self) -> dict[str, np.ndarray]:
        """Their values from our weight, float32, by name."""
        value = np.asarray(self.weight, dtype=np.float32)
        parts = np.split(value, len(self.names), axis=-1) if len(self.names) > 1 else [value]
        parts = [part.T if self.transposed else part for part in parts]
        shaped = (np.ascontiguousarray(part).reshape(self.part_shape) for part in parts)
        return dict(zip(self.names, shaped, strict=True))


@dataclass(frozen=True)
class RestoreReport:
    """What was found where.

    Args:
        loaded: names of the tensors that were read.
        missing: names that the model wants and the source lacks.
        unused: names in the source that the model has no place for.
        fresh: the weights of ours that a missing tensor leaves as they were.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    fresh: tuple[keras.Variable, ...] = ()

    def __str__(self) -> str:
        def listed(what, names):
            return f"{what} {len(names)}" + (f": {', '.join(names)}" if names else "")

        parts = (f"loaded {len(self.loaded)}", listed("missing", self.missing))
        return "; ".join((*parts, listed("unused", self.unused)))


def restore(
    entries: Iterable[ForeignWeight],
    shapes: Mapping[str, Sequence[int]],
    read: Callable[[str], np.ndarray],
    source: str,
    what_to_check: str,
) -> RestoreReport:
    """Assigns to our weights what a source has of them; none is changed if that fails.

    Args:
        entries: what to read.
        shapes: of all tensors that the source has, by name.
        read: gives one of them.
        source: where they are, for messages.
        what_to_check: advice where a shape is another one.

    Returns:
        the report; its `unused` are all other names of `shapes`, sorted.

    Raises:
        InputError: a tensor has another shape, or the source has none of them.
    """
    loaded: list[str] = []
    missing: list[str] = []
    fresh = []
    values = []
    for entry in entries:
        absent = [name for name in entry.names if name not in shapes]
        if absent:
            missing += absent
            fresh.append(entry.weight)
            continue
        for name in entry.names:
            if tuple(shapes[name]) != entry.part_shape:
                raise InputError(
                    f"{source}: {name} has shape {_by(shapes[name])}, the model wants"
                    f" {_by(entry.part_shape)}; check {what_to_check}"
                )
        values.append((entry.weight, entry.join([read(name) for name in entry.names])))
        loaded += entry.names
    if not loaded:
        raise InputError(f"{source}: holds none of the model's {len(missing)} variables")
    for weight, value in values:
        weight.assign(value)
    unused = sorted(shapes.keys() - set(loaded))
    return RestoreReport(tuple(loaded), tuple(missing), tuple(unused), tuple(fresh))


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
