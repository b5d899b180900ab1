"""Sentences with labels that benchmarks read."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

from lvbert_tf.errors import InputError, reason

COLUMNS = "sentence\tlabel"
"""Of SST-2, as GLUE has it."""

_ADDRESSES = Path(__file__).parents[1] / "data" / "sotu.jsonl.gz"


def sentences(text: str) -> Iterable[str]:
    """The sentences of a text, roughly."""
    for paragraph in text.split("\n"):
        for sentence in paragraph.split(". "):
            if words := sentence.strip():
                yield words.replace("\t", " ")


def address_rows() -> list[str]:
    """`sentence\\tlabel` of all addresses; the label says whether it was spoken or written."""
    with gzip.open(_ADDRESSES, "rt", encoding="utf-8") as file:
        addresses = [json.loads(line) for line in file]
    return [
        f"{sentence}\t{int(address['type'] == 'spoken')}"
        for address in addresses
        for sentence in sentences(address["text"])
    ]


def glue_rows(folder: Path, split: str) -> list[str]:
    """The rows of a file of SST-2.

    Raises:
      InputError: there is none, or it is another task's.
    """
    path = folder / f"{split}.tsv"
    try:
        header, *rows = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {reason(error)}") from error
    if header != COLUMNS:
        raise InputError(f"{path}: expected the columns {COLUMNS!r}, got {header!r}")
    return rows
