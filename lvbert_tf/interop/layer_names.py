"""How another format holds the layers of each type: a dictionary with the letters of the layer types."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lvbert_tf.architecture.layer_types import LAYER_TYPES
from lvbert_tf.errors import InputError
from lvbert_tf.interop.foreign_weights import ForeignWeight

Names = TypeVar("Names", bound="LayerNames")


@dataclass(frozen=True)
class LayerNames:
    """How a format holds the layers of one type.

    Args:
        scope: what the names of the layer's tensors have after the name of the block; "" for nothing.
        weights: yields the weights inside a block, but for its last dense layer and its LayerNorm. It is
            called with the Keras layer inside the block and the name of the layer's scope.
    """

    scope: str
    weights: Callable[[Any, str], Iterator[ForeignWeight]]


def names_of_type(names: Mapping[str, Names], letter: str, whose: str) -> Names:
    """Looks up a layer type among those that a format has.

    Args:
        names: the types of the format, by their letters.
        letter: a key of `LAYER_TYPES`.
        whose: the code that reads the format, for the message.

    Raises:
        InputError: the format has no layers of that type.
    """
    if letter not in names:
        raise InputError(
            f"{whose} has no layers of type {letter} ({LAYER_TYPES[letter].name}), only of types"
            f" {', '.join(names)}"
        )
    return names[letter]
