"""What a tag means: a part of an entity, or a class of the word."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seqeval.metrics.sequence_labeling import get_entities

from lvbert_tf.finetuning.bad_rows import RowError, shown

OUTSIDE = "O"
_ENTITY_TAG = re.compile(r"O|[BIES]-\S+")


@dataclass(frozen=True)
class EntityTags:
    """Tags that mark entities; files may be in IOB1, IOB2 (BIO) or BIOES, models learn BIOES.

    Args:
      types: the legal types, such as PER; None allows all.
    """

    types: tuple[str, ...] | None = None

    def read(self, tags: Sequence[str]) -> tuple[str, ...]:
        """Brings the tags of a sentence to BIOES.

        Raises:
          RowError: a tag is neither O nor B-, I-, E- or S- with a legal type.
        """
        for tag in tags:
            if not _ENTITY_TAG.fullmatch(tag):
                raise RowError(f"tag {shown(tag)} is neither O nor B-, I-, E- or S- with a type")
            if self.types is not None and tag != OUTSIDE and tag[2:] not in self.types:
                raise RowError(f"tag {shown(tag)} has none of the types {' | '.join(self.types)}")
        bioes = [OUTSIDE] * len(tags)
        for entity, first, last in get_entities(list(tags)):
            if first == last:
                bioes[first] = f"S-{entity}"
            else:
                inner = [f"I-{entity}"] * (last - first - 1)
                bioes[first : last + 1] = [f"B-{entity}", *inner, f"E-{entity}"]
        return tuple(bioes)

    def outputs(self, sentences: Iterable[Sequence[str]]) -> tuple[str, ...]:
        """The tags a model chooses among: O and four a type, those of `sentences` if all are legal."""
        types = self.types
        if types is None:
            types = tuple(sorted({tag[2:] for tags in sentences for tag in tags if tag != OUTSIDE}))
        return (OUTSIDE, *(f"{part}-{entity}" for entity in types for part in "BIES"))


@dataclass(frozen=True)
class WordTags:
    """Tags that classify a word by itself, such as parts of speech.

    Args:
      tags: the legal tags; None allows all.
    """

    tags: tuple[str, ...] | None = None

    def read(self, tags: Sequence[str]) -> tuple[str, ...]:
        """The tags of a sentence as they are.

        Raises:
          RowError: a tag is not legal.
        """
        for tag in tags:
            if self.tags is not None and tag not in self.tags:
                raise RowError(f"tag {shown(tag)} is none of {' | '.join(self.tags)}")
        return tuple(tags)

    def outputs(self, sentences: Iterable[Sequence[str]]) -> tuple[str, ...]:
        """The tags a model chooses among: the legal ones, or all that `sentences` have, sorted."""
        return self.tags or tuple(sorted({tag for tags in sentences for tag in tags}))


TagScheme = EntityTags | WordTags
