"""Tokens that are found in a text before it is split into words."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from lvbert_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """A token of the vocabulary that the tokenizer finds as a whole, as in Hugging Face's tokenizers.

    Args:
      content: the spelling of the token, which is also its line in the vocabulary.
      single_word: whether the token is found only where no letter, digit or underscore is next to it.
      lstrip: whether whitespace before the token belongs to it.
      rstrip: whether whitespace after the token belongs to it.
      normalized: whether the token is looked for in the normalised (e.g. lower-cased) text, with its
        spelling normalised too. Otherwise it is looked for in the original text, and first.
      special: whether decoding leaves the token out. It does not change the ids of a text.
      is_piece: whether the token is also a WordPiece, so that words may be made of it.

    Raises:
      InputError: a value is of the wrong type, or no line of a vocabulary can hold the content.
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
        """Makes a token from the fields that `dataclasses.asdict` gives.

        Raises:
          InputError: a name is unknown, `content` is missing, or see the class.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(values, Mapping) or "content" not in values or set(values) - set(names):
            raise InputError(f"added token {values!r}: expected {', '.join(names)}")
        return cls(**values)
