"""The layer strings that a search may propose, and drawing from them."""

import bisect
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lvbert_tf.architecture.layer_string import LayerString, check_layer_types, interleaved
from lvbert_tf.architecture.layer_types import LAYER_TYPES
from lvbert_tf.architecture.model_config import WEIGHT_FIELDS, ModelConfig
from lvbert_tf.errors import InputError
from lvbert_tf.search.limit import Limit

MAX_LAYERS = 512
# Redraws before giving up and returning the parent unchanged.
_TRIES = 1000


@dataclass(frozen=True)
class SearchSpace:
    """All strings of `num_layers` layers over `layer_types` that keep within two limits.

    The cost of a string depends on how many layers of each type it has, and not on their order. Strings
    with the same numbers form a composition. The space is a union of whole compositions, so its size
    is known exactly, and strings can be drawn from it uniformly.

    Args:
      num_layers: the number of layers of every string.
      layer_types: letters of the table of layer types, in any order.
      model: the encoder whose costs count; its own layer string does not matter.
      sequence_length: the length in tokens for which FLOPs are counted.
      max_parameters: the limit for the parameters of the whole encoder. None means as many as A and F
        in turn have, whatever the layer types of the space are.
      max_flops: the limit for the FLOPs of one forward pass over one sequence; None likewise.

    Raises:
      InputError: the number of layers or the set of types is not allowed, or no string keeps within
        the limits.
    """

    num_layers: int
    layer_types: str
    model: ModelConfig
    sequence_length: int
    max_parameters: Limit | None = None
    max_flops: Limit | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.num_layers <= MAX_LAYERS:
            raise InputError(f"num_layers: {self.num_layers} is not allowed; use 1 to {MAX_LAYERS}")
        check_layer_types(self.layer_types)
        in_order = "".join(letter for letter in LAYER_TYPES if letter in self.layer_types)
        object.__setattr__(self, "layer_types", in_order)
        baseline = interleaved("AF", self.num_layers)
        object.__setattr__(self, "model", self.encoder(baseline))
        if self.max_parameters is None:
            object.__setattr__(self, "max_parameters", Limit(self.parameters(baseline)))
        if self.max_flops is None:
            object.__setattr__(self, "max_flops", Limit(self.flops(baseline)))
        if not self._compositions:
            raise InputError(self._impossible())

    def encoder(self, string: LayerString) -> ModelConfig:
        """The encoder with these layers."""
        return self.model.replace(layer_string=string)

    def parameters(self, string: LayerString) -> int:
        """Trainable parameters of the encoder with these layers."""
        return self._cost(string)[0]

    def flops(self, string: LayerString) -> int:
        """FLOPs of one forward pass of that encoder over one sequence."""
        return self._cost(string)[1]

    def __contains__(self, string: LayerString) -> bool:
        return (
            len(string) == self.num_layers
            and set(string) <= set(self.layer_types)
            and self._affordable(string)
        )

    @cached_property
    def size(self) -> int:
        """How many strings there are."""
        return sum(count for _, count in self._compositions)

    def random(self, rng: np.random.Generator) -> LayerString:
        """Draws uniformly from all strings of the space."""
        index = bisect.bisect_right(self._cumulative, _below(self.size, rng))
        layers, _ = self._compositions[index]
        return LayerString("".join(rng.permutation(list(layers))))

    def mutate(
        self, string: LayerString, rng: np.random.Generator, probability: float
    ) -> LayerString:
        """Redraws each layer with `probability`, and repeats this until the result is in the space.

        After 1,000 tries it returns `string` itself.
        """
        for _ in range(_TRIES):
            mutant = string.mutate(rng, probability, self.layer_types)
            if mutant in self:
                return mutant
        return string

    def cross(
        self, mother: LayerString, father: LayerString, rng: np.random.Generator
    ) -> LayerString:
        """Takes each layer from either parent, and repeats this until the result is in the space.

        After 1,000 tries it returns `mother`.
        """
        for _ in range(_TRIES):
            child = mother.cross(father, rng)
            if child in self:
                return child
        return mother

    def to_dict(self) -> dict[str, Any]:
        """What distinguishes this space from other spaces, as JSON types."""
        model = self.model.to_dict(WEIGHT_FIELDS)
        del model["layer_string"]  # the space has many
        return {
            "num_layers": self.num_layers,
            "layer_types": self.layer_types,
            "max_parameters": str(self.max_parameters),
            "max_flops": str(self.max_flops),
            "sequence_length": self.sequence_length,
            **model,
        }

    def _affordable(self, letters: str) -> bool:
        assert self.max_parameters is not None and self.max_flops is not None  # filled in above
        parameters, flops = self._cost(letters)
        return self.max_parameters.admits(parameters) and self.max_flops.admits(flops)

    def _cost(self, letters: str) -> tuple[int, int]:
        """Parameters and FLOPs, added up layer by layer: 1,000 times faster than counting through
        ModelConfig."""
        parameters, flops = self._fixed_cost
        for layer_type, (more_parameters, more_flops) in self._layer_costs.items():
            count = letters.count(layer_type)
            parameters += count * more_parameters
            flops += count * more_flops
        return parameters, flops

    @cached_property
    def _layer_costs(self) -> dict[str, tuple[int, int]]:
        model = self.model
        layers = {layer_type: LayerString(layer_type) for layer_type in LAYER_TYPES}
        return {
            layer_type: (
                layer.num_parameters(model.widths),
                layer.flops(model.widths, self.sequence_length),
            )
            for layer_type, layer in layers.items()
        }

    @cached_property
    def _fixed_cost(self) -> tuple[int, int]:
        """Parameters and FLOPs of the embeddings and their projection."""
        layers = [self._layer_costs[letter] for letter in self.model.layer_string]
        return (
            self.model.num_parameters() - sum(parameters for parameters, _ in layers),
            self.model.flops(self.sequence_length) - sum(flops for _, flops in layers),
        )

    @cached_property
    def _compositions(self) -> list[tuple[str, int]]:
        """For each composition within the limits one string of it, and how many strings it has."""
        return [
            (letters, _orders(letters, self.layer_types))
            for letters in _sorted_strings(self.layer_types, self.num_layers)
            if self._affordable(letters)
        ]

    @cached_property
    def _cumulative(self) -> list[int]:
        return list(itertools.accumulate(count for _, count in self._compositions))

    def _impossible(self) -> str:
        uniform = [letter * self.num_layers for letter in self.layer_types]
        small = min(uniform, key=lambda letters: self._cost(letters)[0])
        fast = min(uniform, key=lambda letters: self._cost(letters)[1])
        return (
            f"no string of {self.num_layers} layers of {self.layer_types} has at most"
            f" {self.max_parameters}"
            f" parameters and {self.max_flops} FLOPs (max_parameters, max_flops; by default what"
            f" A and F in turn have): the fewest parameters are {self._cost(small)[0]}, of"
            f" ({small[0]})x{self.num_layers}, and the fewest FLOPs {self._cost(fast)[1]}, of"
            f" ({fast[0]})x{self.num_layers}"
        )


def _sorted_strings(layer_types: str, length: int) -> Iterator[str]:
    """Every composition once: the strings whose letters are in the order of `layer_types`."""
    if len(layer_types) == 1:
        yield layer_types * length
        return
    for count in range(length + 1):
        for rest in _sorted_strings(layer_types[1:], length - count):
            yield layer_types[0] * count + rest


def _orders(letters: str, layer_types: str) -> int:
    """The number of strings with these letters: a multinomial coefficient."""
    orders, left = 1, len(letters)
    for layer_type in layer_types:
        count = letters.count(layer_type)
        orders *= math.comb(left, count)
        left -= count
    return orders


def _below(bound: int, rng: np.random.Generator) -> int:
    """A uniform integer below `bound`, which may exceed 64 bits: 3^41 strings do."""
    bits = bound.bit_length()
    size = (bits + 7) // 8
    while True:
        value = int.from_bytes(rng.bytes(size)) >> (8 * size - bits)
        if value < bound:
            return value
