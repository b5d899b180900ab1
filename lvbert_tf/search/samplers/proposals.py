"""Proposals, and drawing strings that were not proposed before."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lvbert_tf.architecture.layer_string import LayerString
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
    """Calls `draw` until there are `count` new strings, but at most 10 x `count` times.

    The limit is that of single-path one-shot search: parents that are alike give hardly any new string.

    Args:
      draw: makes a string of the space.
      count: the number of strings wanted.
      visited: strings that are not new; the strings found are added to it.
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
      space: the space to draw from; every string of `visited` is in it.
      count: the number of strings wanted.
      visited: strings that are not new; the strings found are added to it.
      rng: the source of random numbers.
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
