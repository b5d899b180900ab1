"""Reads files that other programs wrote, and refuses files that are not UTF-8 text or JSON."""

import codecs
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from lvbert_tf.errors import InputError, reason
from lvbert_tf.io.paths import parse_path

# The test of a special file -> what such a file is.
_SPECIAL = {
    stat.S_ISFIFO: "a pipe, which can be read only once; write it to a file first",
    stat.S_ISSOCK: "a socket, not a file",
    stat.S_ISCHR: "a device, not a file",
    stat.S_ISBLK: "a device, not a file",
}
# The first bytes of packed files -> what such a file is.
_PACKED = {
    re.compile(rb"PK(\x03\x04|\x05\x06)"): "a zip archive",
    re.compile(rb"7z\xbc\xaf\x27\x1c"): "a 7z archive",
    re.compile(rb"Rar!\x1a\x07"): "a rar archive",
    re.compile(rb"\x1f\x8b"): "a gzip file",
    re.compile(rb"\x1f\x9d"): "a compress (.Z) file",
    re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"): "a bzip2 file",
    re.compile(rb"\xfd7zXZ\0"): "an xz file",
    re.compile(rb"\x28\xb5\x2f\xfd"): "a zstd file",
    re.compile(rb"\x04\x22\x4d\x18"): "an lz4 file",
}


def check_ordinary(path: str | os.PathLike) -> None:
    """Refuses special files, which may have no end or cannot be read twice.

    Raises:
      InputError: the path is a pipe, such as `<(command)` makes, a socket or a device.
      OSError: the path does not exist, or cannot be reached.
    """
    path = parse_path(path)
    mode = path.stat().st_mode
    for is_kind, explanation in _SPECIAL.items():
        if is_kind(mode):
            raise InputError(f"{path} is {explanation}")


def packed_format(beginning: bytes) -> str | None:
    """The kind of an archive or a compressed file, such as "a zip archive"; None for other files.

    Args:
      beginning: the first bytes of the file.
    """
    return next((what for start, what in _PACKED.items() if start.match(beginning)), None)


def expand_home(path: str) -> str:
    """Replaces `~` and `~user` at the beginning of a path.

    A shell does not replace them after a `=`, and nothing replaces them in JSON.

    Raises:
      InputError: there is no such user.
    """
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise InputError(
            f"{path}: {path.partition('/')[0]} is no user's home directory; ./{path} is a path that"
            " begins with this character"
        )
    return expanded


def unusable(text: str) -> str | None:
    """What keeps a text from being a path: a zero byte or half of a character; None if nothing does."""
    if "\0" in text:
        return "a zero byte"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "half of a character"
    return None


def check_encoding(beginning: bytes, what: str) -> None:
    """Refuses UTF-16, which some Windows programs write.

    Args:
      beginning: the first bytes of a file.
      what: the name of the file, for the message.

    Raises:
      InputError: the file has a byte-order mark of UTF-16.
    """
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(
            f"{what} is UTF-16 text, as some Windows programs write it; save it as UTF-8"
        )


def text_of(content: bytes, what: str) -> str:
    """Decodes UTF-8, without the byte-order mark that Windows programs write before it.

    Args:
      content: the content of a file.
      what: the name of the file, for the message.

    Raises:
      InputError: the content is in another encoding.
    """
    check_encoding(content, what)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} is not UTF-8 text: bad byte at offset {error.start}") from error


def read_json_object(path: Path) -> dict[str, Any]:
    """Reads a file that holds one JSON object.

    Raises:
      InputError: the file is missing or cannot be read, or it holds something else.
    """
    try:
        value = json.loads(path.read_bytes())  # bytes, which may begin with a byte-order mark
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f'{path}: expected {{"name": value, ...}}')
    return value
