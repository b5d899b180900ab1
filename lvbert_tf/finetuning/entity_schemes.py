"""Schemes of tags that mark entities: what their letters mean, and writing entities in each scheme."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

OUTSIDE = "O"
# What a letter says about its word, in the letters of BIOES: the word begins an entity, is inside it,
# ends it, or is its only word. A letter means the same in all schemes that have it.
_PARTS = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
LETTERS = tuple(_PARTS)
_TAG = re.compile(rf"([{''.join(_PARTS)}])(?:-(\S+))?")


@dataclass(frozen=True)
class Scheme:
    """A scheme of entity tags.

    Args:
      name: the name of the scheme.
      letters: four letters, written at the first word of an entity, at inner words, at the last word,
        and at the word of an entity of one word.
    """

    name: str
    letters: str

    def spell(self, part: str, entity: str) -> str:
        """The tag for a part of an entity: L-PER for the part E of the type PER, or L without a type."""
        letter = self.letters["BIES".index(part)]
        return f"{letter}-{entity}" if entity else letter

    def write(self, tags: Sequence[str]) -> tuple[str, ...]:
        """Tags of this scheme, obeying its rules, for the entities that tags of any scheme mark."""
        # Not at the top: it imports scikit-learn, which takes longer than the rest of --help.
        from seqeval.metrics.sequence_labeling import get_entities

        written = [OUTSIDE] * len(tags)
        # seqeval calls the type "_" where tags have none.
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
# If letters fit several schemes, the first one counts. IOB1 is read as BIO is, and IOE1 as IOE.
SCHEMES = (
    Scheme("BIO", "BIIB"),
    Scheme("IOE", "IIEE"),
    BIOES,
    Scheme("BMES", "BMES"),
    Scheme("BMEWO", "BMEW"),
    Scheme("BILOU", "BILU"),
)


def parse_tag(tag: str) -> tuple[str, str] | None:
    """Divides a tag into its letter and its type.

    Returns:
      the letter, and the type or "" (tags have no types where words are segmented); None for the tag
      outside of entities.

    Raises:
      ValueError: the text is not a tag.
    """
    if tag == OUTSIDE:
        return None
    match = _TAG.fullmatch(tag)
    if not match:
        raise ValueError(f"no tag of an entity: {tag!r}")
    return match[1], match[2] or ""


def find_scheme(letters: Iterable[str]) -> Scheme | None:
    """The first scheme that has all the letters; None if there is none."""
    needed = set(letters)
    return next((scheme for scheme in SCHEMES if needed <= set(scheme.letters)), None)


def scheme_of(tags: Iterable[str]) -> Scheme:
    """The scheme of tags.

    Raises:
      ValueError: one of them is not a tag, or no scheme has all of them.
    """
    scheme = find_scheme(parsed[0] for parsed in map(parse_tag, tags) if parsed)
    if scheme is None:
        raise ValueError("tags of different schemes")
    return scheme


def learned_scheme(scheme: Scheme) -> Scheme:
    """The scheme that a model learns: the same if it has four different letters, else BIOES."""
    return scheme if len(set(scheme.letters)) == len(scheme.letters) else BIOES


def _in_bioes(tag: str) -> str:
    parsed = parse_tag(tag)
    return tag if parsed is None else BIOES.spell(_PARTS[parsed[0]], parsed[1])
