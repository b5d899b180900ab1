"""Added tokens of every kind, and texts that hold them; for tests on both sides."""

import random

ADDED = (
    {"content": "covid"},
    {"content": "😀"},
    {"content": "[NEW]"},
    {"content": "Tok1", "normalized": False, "single_word": True},
    {"content": "tok20"},  # one of the vocabulary
    {"content": "新冠", "lstrip": True},
    {"content": "tok2 x", "rstrip": True},
)
SPECIAL = ({"content": "<e1>", "lstrip": True, "rstrip": True}, {"content": "</e1>"})


def some_texts(seed: int = 0, count: int = 400) -> list[str]:
    """Texts in which added tokens stand among words, spaces, accents and each other."""
    chooser = random.Random(seed)
    parts = [token["content"] for token in (*ADDED, *SPECIAL)]
    parts += [
        "COVID",
        "[new]",
        "TOK1",
        "Tok1",
        "tok3",
        "tok20s",
        "é",
        "ö",
        "字",
        "_",
        ".",
        "x",
        "co",
    ]
    parts += [" ", " ", "  ", "\t", "\u3000", "\u200d", "\u0301", "sea", "tok2 X"]
    return ["".join(chooser.choices(parts, k=chooser.randint(1, 9))) for _ in range(count)]
