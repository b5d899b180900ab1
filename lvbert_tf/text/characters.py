"""The rules of BERT's basic tokenizer, as tables over all characters of Unicode.

Every rule of the reference's `BasicTokenizer` looks at a single character, except the lower case of the
Greek capital sigma. So tokenizing is a lookup: each code point has an *expansion*, the text that
replaces it, in which a space separates words. The tables are made from the `unicodedata` of the running
Python, as the reference's rules are.
"""

import functools
import unicodedata

import numpy as np

CAPITAL_SIGMA, FINAL_SIGMA = 0x3A3, 0x3C2
NUM_CODE_POINTS = 0x110000

# The blocks that the reference calls Chinese. Each of their characters is a word.
_IDEOGRAPHS = frozenset(
    chr(code_point)
    for block in (
        range(0x3400, 0x4DC0),
        range(0x4E00, 0xA000),
        range(0xF900, 0xFB00),
        range(0x20000, 0x2A6E0),
        range(0x2A700, 0x2CEB0),
        range(0x2F800, 0x2FA20),
    )
    for code_point in block
)

# How a character next to a capital sigma influences its lower case; see `sigma_table`.
SIGMA_STOP, SIGMA_CASED, SIGMA_SKIP = 0, 1, 2


def is_dropped(char: str) -> bool:
    """Whether the reference removes a character: control, format, private use and unassigned ones."""
    if unicodedata.category(char)[0] == "C":
        return char not in "\t\n\r"
    return char == "\ufffd"


def is_punctuation(char: str) -> bool:
    """Whether a character is a punctuation mark: the P categories of Unicode and all ASCII symbols."""
    if char.isascii():
        return char.isprintable() and not char.isalnum() and char != " "
    return unicodedata.category(char).startswith("P")


def is_ideograph(char: str) -> bool:
    """Whether a character is in one of the blocks of Chinese characters."""
    return char in _IDEOGRAPHS


def expand(char: str, lowercase: bool, strip_accents: bool, separate: bool = True) -> str:
    """The text that replaces one character.

    It is empty for a character that is removed and one space for whitespace. Ideographs have spaces
    around them, and so has punctuation if `separate` is true.
    """
    if is_dropped(char):
        return ""
    # Most ideographs have neither case nor accents.
    if is_ideograph(char) and not unicodedata.decomposition(char):
        return f" {char} "
    if char.isspace():
        return " "
    text = char.lower() if lowercase else char
    if strip_accents:
        decomposed = unicodedata.normalize("NFD", text)
        text = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    if separate:
        text = "".join(f" {c} " if is_punctuation(c) else c for c in text)
    return f" {text} " if is_ideograph(char) else text


@functools.cache
def _kept_characters() -> list[str]:
    # They are a quarter of all code points; most of the others are unassigned or for private use.
    # To ask first whether one can be seen is fast, and leaves out hardly any other.
    seen = (c for c in map(chr, range(NUM_CODE_POINTS)) if c.isprintable() or c.isspace())
    return [char for char in seen if not is_dropped(char)]


@functools.cache
def expansion_table(
    lowercase: bool, strip_accents: bool, separate: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The expansions of all code points; see `expand`.

    Returns:
      (values, row_splits), int32: code point `c` becomes `values[row_splits[c]:row_splits[c + 1]]`.
    """
    kept = _kept_characters()
    expansions = [expand(char, lowercase, strip_accents, separate) for char in kept]
    values = np.frombuffer("".join(expansions).encode("utf-32-le"), np.int32)
    row_splits = np.zeros(NUM_CODE_POINTS + 1, np.int32)
    row_splits[[ord(char) + 1 for char in kept]] = [len(text) for text in expansions]
    return values, np.cumsum(row_splits, dtype=np.int32)


@functools.cache
def mark_table() -> np.ndarray:
    """Whether each code point is a combining mark, which `strip_accents` removes; bool [0x110000]."""
    table = np.zeros(NUM_CODE_POINTS, bool)
    for char in _kept_characters():
        table[ord(char)] = unicodedata.category(char) == "Mn"
    return table


def _beside_sigma(char: str) -> int:
    # Only str.lower knows which characters are cased and which it ignores; try it.
    if ("AΣ" + char).lower()[1] == "σ":
        return SIGMA_CASED
    return SIGMA_SKIP if ("AΣ" + char + "A").lower()[1] == "σ" else SIGMA_STOP


@functools.cache
def sigma_table() -> np.ndarray:
    """How each code point influences the lower case of a capital sigma next to it; int8 [0x110000].

    A capital sigma becomes a final one if the nearest character before it that is not SIGMA_SKIP
    is SIGMA_CASED and the nearest one after it is not.
    """
    table = np.full(NUM_CODE_POINTS, SIGMA_SKIP, np.int8)
    for char in _kept_characters():
        table[ord(char)] = _beside_sigma(char)
    return table
