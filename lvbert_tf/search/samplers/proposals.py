"""Strings to score next: collecting new ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lvbert_tf.layer_string import LayerString
from lvbert_tf.search.space import SearchSpace


@dataclass(frozen=True)
class Proposal:
    """A string to be scored; see `Candidate` for the fields."""

    string: LayerString
    origin: str
    generation: int | None


def collect(
    draw: Callable[[], LayerString], count: int, visited: set[LayerString]
) -> list[LayerString]:
    """Draws until there are `count` new strings, or ten times as often as that.

    Ten is single-path one-shot's: a population that has collapsed gives hardly anything new.

    Args:
      draw: makes a string of the space.
      count: strings wanted.
      visited: strings that are not new; those found are added.
    """
    found: list[LayerString] = []
    for _ in range(10 * count):
        if len(found) == count:
            break
        string = draw()
        if string not in visited:
            visited.add(string)
            found.append(string)
    return found


def random_strings(
    space: SearchSpace, count: int, visited: set[LayerString], rng: np.random.Generator
) -> list[LayerString]:
    """Draws `count` new strings uniformly, or all that the space still has.

    Args:
      space: what to draw from; holds all of `visited`.
      count: strings wanted.
      visited: strings that are not new; those found are added.
      rng: random numbers.
    """
    found: list[LayerString] = []
    while len(found) < count and len(visited) < space.size:
        string = space.random(rng)
        if string not in visited:
            visited.add(string)
            found.append(string)
    return found


def proposed(generation: int | None, **strings: list[LayerString]) -> list[Proposal]:
    """The strings of each origin as proposals, in the order given."""
    return [
        Proposal(string, origin, generation)
        for origin, of_origin in strings.items()
        for string in of_origin
    ]
