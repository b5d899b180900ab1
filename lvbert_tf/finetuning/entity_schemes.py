"""Schemes of tags that mark entities: what a letter says of its word, and entities in each scheme."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seqeval.metrics.sequence_labeling import get_entities

OUTSIDE = "O"
# What a letter says of its word, in the letters of BIOES: it begins an entity, is inside, ends it, or
# is the only one. A letter says the same in all schemes that have it.
_PARTS = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
LETTERS = tuple(_PARTS)
_TAG = re.compile(rf"([{''.join(_PARTS)}])(?:-(\S+))?")


@dataclass(frozen=True)
class Scheme:
    """A scheme of entity tags.

    Args:
      name: of the scheme.
      letters: written at the first word of an entity, at inner ones, at the last one, and at the only
        one of an entity of a single word.
    """

    name: str
    letters: str

    def spell(self, part: str, entity: str) -> str:
        """A tag, such as L-PER for the part E of the type PER; a type of no name is left out."""
        letter = self.letters["BIES".index(part)]
        return f"{letter}-{entity}" if entity else letter

    def write(self, tags: Sequence[str]) -> tuple[str, ...]:
        """The entities that tags of any scheme mark, in this scheme, which they then obey."""
        written = [OUTSIDE] * len(tags)
        # Without a type seqeval calls it "_".
        typed = any(parsed and parsed[1] for parsed in map(parse_tag, tags))
        for entity, first, last in get_entities(list(map(_in_bioes, tags))):
            entity = entity if typed else ""
            if first == last:
                written[first] = self.spell("S", entity)
            else:
                inner = [self.spell("I", entity)] * (last - first - 1)
                written[first] = self.spell("B", entity)
                written[first + 1 : last + 1] = [*inner, self.spell("E", entity)]
        return tuple(written)


BIOES = Scheme("BIOES", "BIES")
# Where letters fit several schemes it is the first. IOB1 reads as BIO does, and IOE1 as IOE.
SCHEMES = (
    Scheme("BIO", "BIIB"),
    Scheme("IOE", "IIEE"),
    BIOES,
    Scheme("BMES", "BMES"),
    Scheme("BMEWO", "BMEW"),
    Scheme("BILOU", "BILU"),
)


def parse_tag(tag: str) -> tuple[str, str] | None:
    """Letter and type of a tag; "" is the type of a tag that has none, as in the segmentation of words.

    Returns:
      None for the tag outside of entities.

    Raises:
      ValueError: it is no tag.
    """
    if tag == OUTSIDE:
        return None
    match = _TAG.fullmatch(tag)
    if not match:
        raise ValueError(f"no tag of an entity: {tag!r}")
    return match[1], match[2] or ""


def find_scheme(letters: Iterable[str]) -> Scheme | None:
    """The scheme that has all the letters, or None."""
    needed = set(letters)
    return next((scheme for scheme in SCHEMES if needed <= set(scheme.letters)), None)


def scheme_of(tags: Iterable[str]) -> Scheme:
    """The scheme of tags.

    Raises:
      ValueError: one is no tag, or no scheme has all of them.
    """
    scheme = find_scheme(parsed[0] for parsed in map(parse_tag, tags) if parsed)
    if scheme is None:
        raise ValueError("tags of different schemes")
    return scheme


def learned_scheme(scheme: Scheme) -> Scheme:
    """The scheme that a model learns: the same, if it tells all four parts of an entity; else BIOES."""
    return scheme if len(set(scheme.letters)) == len(scheme.letters) else BIOES


def _in_bioes(tag: str) -> str:
    parsed = parse_tag(tag)
    return tag if parsed is None else BIOES.spell(_PARTS[parsed[0]], parsed[1])
