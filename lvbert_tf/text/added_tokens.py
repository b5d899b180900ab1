"""Tokens that are added to a vocabulary: they are found in a text before it is split into words."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from lvbert_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """A token beside those of WordPiece, as the tokenizers of Hugging Face have them.

    Args:
      content: how it is spelled; a token of the vocabulary.
      single_word: it counts only where no letter, digit or underscore stands beside it.
      lstrip: it takes the whitespace before it.
      rstrip: it takes the whitespace after it.
      normalized: it is looked for in the normalised text (lower-cased, say), as its own spelling then
        is normalised; otherwise, and first, in the text as it stands.
      special: for those who decode ids: it is no part of a text.
      is_piece: whether it is one of WordPiece's tokens too, so that words may be made of it.

    Raises:
      InputError: a value of the wrong type, or a content that no line of a vocabulary can hold.
    """

    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    special: bool = False
    is_piece: bool = False

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            wanted = str if field.name == "content" else bool
            if type(value) is not wanted:
                raise InputError(
                    f"added token {self.content!r}: {field.name} is {value!r}; expected"
                    f" {'a string' if wanted is str else 'true or false'}"
                )
        if not self.content.strip():
            raise InputError(f"added token {self.content!r} is empty")
        if self.content != self.content.strip() or set(self.content) & set("\n\r\0\1"):
            raise InputError(
                f"added token {self.content!r} begins or ends with whitespace, or has a line end or a"
                " control character in it, which a vocabulary of one token a line cannot hold"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "AddedToken":
        """Reads what `dataclasses.asdict` made.

        Raises:
          InputError: unknown names, or see the class.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(values, Mapping) or "content" not in values or set(values) - set(names):
            raise InputError(f"added token {values!r}: expected {', '.join(names)}")
        return cls(**values)
