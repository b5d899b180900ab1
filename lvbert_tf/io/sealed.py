"""JSON files with a checksum: a damaged digit is a digit still, and would pass for another number."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.io.files import read_json_object
from lvbert_tf.io.whole import write_json

_CHECKSUM = "checksum"


def checksum(value: Mapping[str, Any]) -> int:
    """The CRC-32 of a JSON object, whatever its white space."""
    return zlib.crc32(json.dumps(value).encode())


def with_checksum(value: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a JSON object with its checksum as the last entry."""
    return {**value, _CHECKSUM: checksum(value)}


def is_whole(value: dict[str, Any]) -> bool:
    """Whether a JSON object has its checksum, or none at all as in earlier releases; removes it."""
    if _CHECKSUM in value:
        return value.pop(_CHECKSUM) == checksum(value)
    # The last entry may be the checksum under a name that was damaged.
    *others, last = value.items() if value else [("", None)]
    return last[1] != checksum(dict(others))


def write_sealed_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON object with its checksum.

    Args:
      path: the file.
      value: the object. Its names are texts, and its numbers are finite.

    Raises:
      InputError: see `whole.replace_file`.
    """
    write_json(path, with_checksum(value))


def read_sealed_json(path: Path) -> dict[str, Any]:
    """Reads what `write_sealed_json` wrote, or a file of an earlier release, which has no checksum.

    Raises:
      InputError: the file cannot be read, or is not as it was written.
    """
    value = read_json_object(path)
    if not is_whole(value):
        raise InputError(f"{path} is damaged: its content is not what was written")
    return value
