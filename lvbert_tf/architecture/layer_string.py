"""The architecture of an encoder as a value: a string over {C, A, F}."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from lvbert_tf.architecture import layer_types as table
from lvbert_tf.architecture.costs import layer_norm_parameters
from lvbert_tf.architecture.layer_types import LAYER_TYPES, Widths
from lvbert_tf.errors import InputError

if TYPE_CHECKING:  # numpy is only needed by callers who bring a generator
    import numpy as np

_TOKEN = re.compile(r"\((?P<group>[^()]*)\)x(?P<times>[1-9]\d{0,2})|(?P<code>.)", re.DOTALL)


class LayerString(str):
    """An encoder's layer types from the embeddings up, e.g. `LayerString("CCAFFA")`.

    It is text, one letter for each layer: it compares, hashes, prints and iterates as its letters do.
    `parse` accepts every written form; the constructor only the canonical upper-case letters.

    Args:
      letters: one letter for each layer, each a key of `LAYER_TYPES`.

    Raises:
      InputError: there are no layers, or a letter is not in `LAYER_TYPES`.
    """

    def __new__(cls, letters: str) -> "LayerString":
        if not letters:
            raise InputError(f"a layer string needs at least one layer: {table.legal_codes()}")
        for position, letter in enumerate(letters):
            if letter not in LAYER_TYPES:
                raise _bad_code(letter, position)
        return super().__new__(cls, letters)

    @classmethod
    def parse(cls, value: str | Iterable[str | int]) -> "LayerString":
        """Reads a layer string in any of its written forms.

        Args:
          value: letters of either case (`"CCAF"`), the reference's digits (`"0012"`), a sequence
            of either (`[0, 0, 1, 2]`), or that sequence as JSON (`"[0, 0, 1, 2]"`). In text a group
            may be repeated: `"(AF)x12"`.

        Raises:
          InputError: naming the first bad code, its position counted from 0 (a character of the
            text or an item of the sequence) and the legal codes.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            text = value.strip()
            return cls(_parse_list(text) if text.startswith("[") else _parse_text(text))
        if isinstance(value, Iterable) and not isinstance(value, (bytes, dict)):
            return cls(_letters(value))
        raise InputError(
            f"layers must be text like 'CCAF' or '0012', or a list like [0, 0, 1, 2]; got {value!r}"
        )

    @classmethod
    def random(
        cls, length: int, layer_types: Sequence[str], rng: "np.random.Generator"
    ) -> "LayerString":
        """Draws each of `length` layers uniformly from `layer_types`."""
        return cls("".join(layer_types[i] for i in rng.integers(len(layer_types), size=length)))

    @property
    def digits(self) -> list[int]:
        """The codes of the layers, as in the reference's `custom_layer_list`."""
        return [LAYER_TYPES[letter].code for letter in self]

    @property
    def is_transformer(self) -> bool:
        """Whether the layers are A and F in turn, as in BERT and ELECTRA, and A is the first."""
        return self == "AF" * (len(self) // 2)

    def first(self, length: int) -> "LayerString":
        """The `length` layers nearest the embeddings."""
        return LayerString(self[:length])

    def mutate(
        self, rng: "np.random.Generator", probability: float, layer_types: Sequence[str]
    ) -> "LayerString":
        """Redraws each layer with `probability`, uniformly from `layer_types`.

        A redraw may return the type that was there, as in single-path one-shot search (Guo et
        al., 2020).
        """
        redrawn = rng.random(len(self)) < probability
        drawn = LayerString.random(len(self), layer_types, rng)
        return self._choose(redrawn, drawn)

    def cross(self, other: "LayerString", rng: "np.random.Generator") -> "LayerString":
        """Uniform crossover: each layer comes from either parent with probability 1/2.

        Raises:
          InputError: the parents differ in length.
        """
        if len(self) != len(other):
            raise InputError(f"cannot cross {len(self)} layers with {len(other)}")
        return self._choose(rng.random(len(self)) < 0.5, other)

    def _choose(self, take_other: Iterable[bool], other: "LayerString") -> "LayerString":
        return LayerString(
            "".join(b if taken else a for a, b, taken in zip(self, other, take_other, strict=True))
        )

    def num_parameters(self, widths: Widths) -> int:
        """Trainable parameters of these layers, LayerNorms included, embeddings excluded."""
        layer_norm = layer_norm_parameters(widths.hidden_dim)
        return sum(LAYER_TYPES[letter].parameters(widths) + layer_norm for letter in self)

    def flops(self, widths: Widths, sequence_length: int) -> int:
        """FLOPs of one forward pass over one sequence of that many tokens.

        The module `architecture.costs` explains what is counted.
        """
        return sum(LAYER_TYPES[letter].flops(widths, sequence_length) for letter in self)


def _bad_code(code: Any, position: int) -> InputError:
    legal = table.legal_codes()
    return InputError(f"layer code {code!r} at position {position} (counted from 0): use {legal}")


def _letter(code: Any, position: int) -> str:
    """The letter of a layer type from its letter in either case, or its code as a number or text."""
    for row in LAYER_TYPES.values():
        if isinstance(code, str):
            if code.upper() == row.letter or code == str(row.code):
                return row.letter
        elif _is_integer(code) and code == row.code:
            return row.letter
    raise _bad_code(code, position)


def _is_integer(code: Any) -> bool:
    # Booleans are integers to Python, but `true` in a layer list is a slip.
    return hasattr(code, "__index__") and not isinstance(code, bool)


def _letters(codes: Iterable[Any], first_position: int = 0) -> str:
    return "".join(_letter(code, first_position + i) for i, code in enumerate(codes))


def _parse_list(text: str) -> str:
    try:
        codes = json.loads(text)
    except (ValueError, RecursionError) as error:  # also an integer of thousands of digits
        raise InputError(f"layer list {text[:60]!r} is not JSON: {error}") from error
    return _letters(codes)


def _parse_text(text: str) -> str:
    parts = []
    for token in _TOKEN.finditer(text):
        if token["code"] is not None:
            parts.append(_letter(token["code"], token.start()))
        else:
            parts.append(_letters(token["group"], token.start("group")) * int(token["times"]))
    return "".join(parts)


def check_layer_types(layer_types: str, layers: LayerString | None = None) -> None:
    """Refuses letters that are not a set of layer types, and a layer string with other types.

    Args:
      layer_types: one or more letters of the table of layer types, none twice, in any order.
      layers: a layer string that must have no other types; None checks only the set.

    Raises:
      InputError: naming the types and what is allowed.
    """
    distinct = set(layer_types)
    if not distinct or len(distinct) < len(layer_types) or distinct - set(LAYER_TYPES):
        raise InputError(
            f"layer types {layer_types!r}: expected at least one letter of {table.letters()},"
            " none twice"
        )
    others = sorted(set(layers or ()) - distinct)
    if others:
        raise InputError(
            f"{layers} has layers of type {', '.join(others)}, not among the types {layer_types}"
        )


def interleaved(layer_types: str, length: int) -> LayerString:
    """A string of `length` layers that takes the types in turn: `interleaved("AF", 24)` is ELECTRA."""
    return LayerString((layer_types * length)[:length])


def sandwich(num_pairs: int, depth: int) -> LayerString:
    """The sandwich order A^depth (AF)^(num_pairs - depth) F^depth of Press et al. (ACL 2020).

    Args:
      num_pairs: the number of attention layers, and that of feed-forward layers.
      depth: the sandwich coefficient, from 0 (A and F in turn) to `num_pairs`.

    Raises:
      InputError: the depth is not in that range.
    """
    if not 0 <= depth <= num_pairs:
        raise InputError(f"sandwich depth {depth}: allowed 0 to {num_pairs}")
    return LayerString("A" * depth + "AF" * (num_pairs - depth) + "F" * depth)


LV_BERT_SMALL = LayerString("CCAFFACFFACCAFCFACFCAAFA")
"""The searched string of LV-BERT-small (Yu et al., Findings of ACL 2021)."""

ELECTRA = interleaved("AF", 24)
"""BERT's and ELECTRA's order: 12 Transformer layers, each attention then feed-forward."""
