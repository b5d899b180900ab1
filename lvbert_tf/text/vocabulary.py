"""The vocabulary: the id of each token."""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterable

from lvbert_tf.errors import InputError
from lvbert_tf.io.files import check_encoding, check_ordinary, packed_format, text_of
from lvbert_tf.io.paths import parse_path

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
SUFFIX_MARK = "##"
_LARGEST = 64 << 20  # bytes; the vocabularies of multilingual models have 5 MB


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """A WordPiece vocabulary in BERT's file form: one token a line, the line number is the id.

    Lines may end in LF or CRLF, and whitespace around a token is removed. A token that stands on
    several lines has the id of the last one, as in the reference's loader. The earlier ids count in
    `size`, but no text has them.

    Attributes:
      tokens: the token of each id, one for each line.
    """

    tokens: tuple[str, ...]

    def __post_init__(self):
        missing = [token for token in SPECIAL_TOKENS if token not in self._ids]
        if missing:
            raise InputError(
                f"the vocabulary of {self.size} tokens lacks {' '.join(missing)};"
                f" it needs {' '.join(SPECIAL_TOKENS)}, each on its own line"
            )

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Vocabulary":
        """Reads a vocabulary file.

        Raises:
          InputError: the file is missing, unreadable, not an ordinary file, compressed, empty, not UTF-8
            text, or lacks one of the special tokens.
        """
        try:
            check_ordinary(path)
            with parse_path(path).open("rb") as file:
                content = file.read(_LARGEST + 1)
        except InputError as error:
            raise InputError(f"the vocabulary {error}") from error
        except OSError as error:
            raise InputError(f"cannot read the vocabulary {path}: {error.strerror}") from error
        if len(content) > _LARGEST:
            raise InputError(f"the vocabulary {path} is larger than {_LARGEST >> 20} MiB")
        if not content.strip():
            raise InputError(f"the vocabulary {path} is empty; it needs one token a line")
        if packed := packed_format(content):
            raise InputError(f"the vocabulary {path} is {packed}; unpack it")
        check_encoding(content, f"the vocabulary {path}")
        if b"\0" in content:
            raise InputError(f"the vocabulary {path} is a binary file; it needs one token a line")
        text = text_of(content, f"the vocabulary {path}")
        # Only "\n" ends a line; str.splitlines would split at other characters too, which may be tokens.
        lines = text.removesuffix("\n").split("\n")
        try:
            return cls(tuple(line.strip() for line in lines))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @property
    def size(self) -> int:
        """The number of ids."""
        return len(self.tokens)

    @property
    def pad_id(self) -> int:
        return self._ids[PAD]

    @property
    def unk_id(self) -> int:
        return self._ids[UNK]

    @property
    def cls_id(self) -> int:
        return self._ids[CLS]

    @property
    def sep_id(self) -> int:
        return self._ids[SEP]

    @property
    def mask_id(self) -> int:
        return self._ids[MASK]

    def id(self, token: str) -> int:
        """The id of a token, or of [UNK] if the token is not in the vocabulary."""
        return self._ids.get(token, self.unk_id)

    def decode(self, ids: Iterable[int]) -> str:
        """Joins tokens by spaces, and `##` pieces to the piece before them.

        Raises:
          InputError: an id is outside the vocabulary.
        """
        words: list[str] = []
        for token_id in ids:
            if not 0 <= token_id < self.size:
                raise InputError(f"token id {token_id} is outside 0 to {self.size - 1}")
            token = self.tokens[token_id]
            if words and token.startswith(SUFFIX_MARK):
                words[-1] += token.removeprefix(SUFFIX_MARK)
            else:
                words.append(token)
        return " ".join(words)

    @functools.cached_property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the tokens, each followed by LF, in UTF-8.

        Copies of a file that differ only in their line ends have the same hash.
        """
        return hashlib.sha256("".join(f"{token}\n" for token in self.tokens).encode()).hexdigest()

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {token: line for line, token in enumerate(self.tokens)}
