"""Converts our weights to the tensors of other code bases and back, bit for bit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from lvbert_tf.errors import InputError


@dataclass(frozen=True)
class ForeignWeight:
    """One of our weights, and the tensors of another code base that hold it.

    Args:
        weight: our variable.
        names: the names of the tensors. Concatenated on the last axis and reshaped, they are our weight.
        shape: the shape of each tensor. None means the shape of our weight, with the last axis divided
            evenly among the tensors.
        transposed: whether the tensors have the shape (outputs, inputs), as PyTorch's dense layers.
    """

    weight: keras.Variable
    names: tuple[str, ...]
    shape: tuple[int, ...] | None = None
    transposed: bool = False

    @property
    def part_shape(self) -> tuple[int, ...]:
        """The shape of each of the tensors."""
        if self.shape is not None:
            return self.shape
        *outer, last = self.weight.shape
        shape = (*outer, last // len(self.names))
        return shape[::-1] if self.transposed else shape

    def join(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Makes the value of our weight from the values of the tensors, in the order of `names`."""
        parts = [part.T if self.transposed else part for part in parts]
        return np.concatenate(parts, axis=-1).reshape(self.weight.shape)

    def split(self) -> dict[str, np.ndarray]:
        """Makes the tensors, float32 and by name, from the value of our weight."""
        value = np.asarray(self.weight, dtype=np.float32)
        parts = np.split(value, len(self.names), axis=-1) if len(self.names) > 1 else [value]
        parts = [part.T if self.transposed else part for part in parts]
        shaped = (np.ascontiguousarray(part).reshape(self.part_shape) for part in parts)
        return dict(zip(self.names, shaped, strict=True))


@dataclass(frozen=True)
class RestoreReport:
    """What was read from a source of weights, and what was not.

    Args:
        loaded: the names of the tensors that were read.
        missing: the names of the tensors that the model needs and the source lacks.
        unused: the names of the tensors in the source that the model has no weights for.
        fresh: our weights that keep their values, because a tensor of theirs is missing.
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
    """Assigns the tensors of a source to our weights. If it raises an error no weight has changed.

    Args:
        entries: the weights to assign.
        shapes: the shapes of all tensors of the source, by name.
        read: returns the tensor of a name.
        source: the name of the source, for messages.
        what_to_check: what a user should check if a tensor has another shape, for the message.

    Returns:
        the report. Its `unused` are all names of `shapes` that no entry has, sorted.

    Raises:
        InputError: a tensor has another shape than our weight needs, or the source has no tensor of any
            entry.
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
