"""What a tag means: a part of an entity, or the class of a word."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.entity_schemes import (
    LETTERS,
    OUTSIDE,
    SCHEMES,
    find_scheme,
    learned_scheme,
    parse_tag,
    scheme_of,
)
from lvbert_tf.finetuning.tasks.bad_rows import RowError, shown
from lvbert_tf.finetuning.tasks.lines import checked_text

Tags = tuple[str, ...]
ReadTags = Callable[[Sequence[Any]], Tags]


@dataclass(frozen=True)
class EntityTags:
    """Tags that mark entities, in one of `SCHEMES`, all with a type, or all without one.

    Args:
      labels: the legal types, such as PER, or all legal tags. They are tags if O is among them or if
        all look like tags. None allows all types.

    Raises:
      InputError: only some of the labels are tags, or they are tags of different schemes.
    """

    labels: Tags | None = None

    def __post_init__(self) -> None:
        for label in self.tags or ():
            if not _is_tag(label):
                raise InputError(
                    f"labels: O is a tag, but {shown(label)} is none; list either types, or tags"
                )
        try:
            _OneScheme().add(self.tags or ())
        except RowError as error:
            raise InputError(f"labels: {error}") from error

    @cached_property
    def tags(self) -> Tags | None:
        """The legal tags, if the labels are tags; an integer in a file is an index into them."""
        labels = self.labels or ()
        listed = OUTSIDE in labels or (labels and all(map(_is_tag, labels)))
        return self.labels if listed else None

    def reader(self) -> ReadTags:
        """Makes the function that checks the tags of one file, sentence by sentence, and returns them.

        The function raises RowError if a tag is missing, illegal, or not of the scheme of the tags
        before it.
        """
        scheme = _OneScheme()

        def read(values: Sequence[Any]) -> Tags:
            tags = _named(values, self.tags)
            for tag in tags:
                self._check(tag)
            scheme.add(tags)
            return tags

        return read

    def outputs(self, sentences: Iterable[Sequence[str]]) -> dict[str, str]:
        """The tags that a model chooses among -> the tag that is written for each.

        They are O and four for each type. The types are those of the labels, or of `sentences` if there
        are no labels. A model learns BIOES in place of BIO and IOE, which do not distinguish all parts
        of an entity; what is written has the scheme of the sentences.
        """
        tags = self.tags or {tag for sentence in sentences for tag in sentence}
        written = scheme_of(tags)
        learned = learned_scheme(written)
        if self.labels is not None and self.tags is None:
            types = self.labels
        else:
            parsed = [parse_tag(tag) for tag in tags]
            found = dict.fromkeys(pair[1] for pair in parsed if pair)
            types = tuple(found) if self.tags else tuple(sorted(found))
        # Where words are segmented, every word is part of an entity, and there is no O.
        outside = {} if types == ("",) and OUTSIDE not in tags else {OUTSIDE: OUTSIDE}
        return outside | {
            learned.spell(part, entity): written.spell(part, entity)
            for entity in types
            for part in "BIES"
        }

    def learned(self, sentences: Iterable[Sequence[str]], outputs: Sequence[str]) -> list[Tags]:
        """The tags, among the `outputs` of a model, that mark the same entities."""
        scheme = learned_scheme(scheme_of(outputs))
        return [scheme.write(tags) for tags in sentences]

    def _check(self, tag: str) -> None:
        if not _is_tag(tag):
            raise RowError(
                f"tag {shown(tag)} is neither O nor one of {' '.join(LETTERS)}, alone or with a type,"
                " as in B-PER"
            )
        if self.tags is not None:
            if tag not in self.tags:
                raise RowError(f"tag {shown(tag)} is none of {' | '.join(self.tags)}")
        elif self.labels is not None and tag != OUTSIDE and tag[2:] not in self.labels:
            raise RowError(f"tag {shown(tag)} has none of the types {' | '.join(self.labels)}")


@dataclass(frozen=True)
class WordTags:
    """Tags that classify each word by itself, such as parts of speech.

    Args:
      tags: the legal tags, into which an integer in a file is an index; None allows all tags.
    """

    tags: Tags | None = None

    def reader(self) -> ReadTags:
        """Makes the function that checks and returns the tags of a sentence.

        The function raises RowError if a tag is missing or illegal.
        """

        def read(values: Sequence[Any]) -> Tags:
            tags = _named(values, self.tags)
            for tag in tags:
                if self.tags is not None and tag not in self.tags:
                    raise RowError(f"tag {shown(tag)} is none of {' | '.join(self.tags)}")
            return tags

        return read

    def outputs(self, sentences: Iterable[Sequence[str]]) -> dict[str, str]:
        """The tags that a model chooses among: the legal ones, or all tags of `sentences`, sorted.

        Each is written as it is.
        """
        tags = self.tags or tuple(sorted({tag for tags in sentences for tag in tags}))
        return {tag: tag for tag in tags}

    def learned(self, sentences: Iterable[Sequence[str]], outputs: Sequence[str]) -> list[Tags]:
        """The tags as they are."""
        return [tuple(tags) for tags in sentences]


TagScheme = EntityTags | WordTags


class _OneScheme:
    """Checks that all tags of a file belong to one scheme."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}  # letter -> the first tag that has it
        self._typed: dict[bool, str] = {}

    def add(self, tags: Iterable[str]) -> None:
        """Raises RowError if no scheme has these tags and those added before."""
        letters, typed = dict(self._letters), dict(self._typed)
        for tag in dict.fromkeys(tags):
            parsed = parse_tag(tag)
            if parsed is None:
                continue
            letter, entity = parsed
            letters.setdefault(letter, tag)
            typed.setdefault(bool(entity), tag)
            for other in letters:
                if find_scheme((letter, other)) is None:
                    raise RowError(
                        f"no scheme has both {shown(letters[other])} and {shown(tag)}; there are"
                        f" {', '.join(scheme.name for scheme in SCHEMES)}"
                    )
            if len(typed) > 1:
                raise RowError(
                    f"{shown(typed[True])} has a type and {shown(typed[False])} has none; give all"
                    " tags a type, or none"
                )
        self._letters, self._typed = letters, typed


def _is_tag(tag: str) -> bool:
    try:
        parse_tag(tag)
    except ValueError:
        return False
    return True


def _named(values: Sequence[Any], names: Tags | None) -> Tags:
    """Tags by name. A value may also be an integer, an index into `names`.

    Raises:
      RowError: a value is neither text nor an integer, is blank, or is not an index of a name.
    """
    numbers_are_names = names is not None and any(name.isdecimal() for name in names)

    def name_of(value: Any) -> str:
        number = isinstance(value, int) and not isinstance(value, bool)
        tag = str(value) if number else checked_text(value, "an item of tags")
        if not tag.strip():
            raise RowError("a word has no tag")
        if names is None:
            if number:
                raise RowError(f"tag {value} is a number: list the names of all tags in labels")
            return tag
        if tag in names or numbers_are_names or not (number or tag.isdecimal()):
            return tag
        # A number may have more digits than Python converts, or be beyond the labels.
        with contextlib.suppress(ValueError, IndexError):
            if int(tag) >= 0:
                return names[int(tag)]
        raise RowError(f"tag {shown(value)} is no place in labels, 0 to {len(names) - 1}")

    return tuple(map(name_of, values))
