"""Reading the lines of a task's files, plain or compressed, whatever bytes they hold."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from lvbert_tf.errors import InputError, reason
from lvbert_tf.finetuning.tasks.bad_rows import RowError, shown
from lvbert_tf.io.files import check_encoding, text_of
from lvbert_tf.io.streams import COMPRESSED_SUFFIXES, open_streams, reading

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def find_file(path: Path) -> Path:
    """The path itself, or that of the compressed file (`.gz`, `.bz2`, `.xz`, `.zst` added).

    Raises:
      InputError: none of them exists.
    """
    for suffix in ("", *COMPRESSED_SUFFIXES):
        candidate = path.with_name(path.name + suffix)
        if candidate.is_file():
            return candidate
    raise InputError(f"{path} does not exist, nor with {', '.join(COMPRESSED_SUFFIXES)}")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields every line with its number from 1, without its line end (LF or CRLF) and byte-order mark.

    Bytes that are not UTF-8 become lone surrogates, which `checked_text` refuses, so that a bad line
    makes one row bad and not the file.

    Raises:
      InputError: the file does not exist, cannot be read, is corrupt or in UTF-16; or its lines end in
        carriage returns alone.
    """
    return number_lines(read_raw_lines(find_file(path)), str(path))


def number_lines(raw_lines: Iterable[bytes], name: str) -> Iterator[tuple[int, str]]:
    """Numbers and decodes lines as `read_lines` does; `name` is the file's name in messages."""
    for number, line in enumerate(raw_lines, start=1):
        if number == 1:
            check_encoding(line, name)
            line = line.removeprefix(_BYTE_ORDER_MARK)
            if b"\r" in line.removesuffix(b"\r") and not line.endswith(b"\n"):
                raise InputError(
                    f"{name} has carriage returns (CR) in place of line ends, as old programs write"
                    " them; save it with LF or CRLF"
                )
        yield number, line.rstrip(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")


def read_document(path: Path) -> str:
    """The whole text of a file, without a byte-order mark.

    Raises:
      InputError: see `read_lines`; or the file is not UTF-8.
    """
    return text_of(b"".join(read_raw_lines(find_file(path))), str(path))


def checked_text(value: object, what: str) -> str:
    """Returns `value`, which must be text that can be tokenized.

    Args:
      value: the value of a row.
      what: what it is, for the message.

    Raises:
      RowError: it is not text, or holds a NUL byte or a lone surrogate.
    """
    if not isinstance(value, str):
        raise RowError(f"{what} is no text: {shown(value)}")
    if "\0" in value:
        raise RowError(f"{what} has a NUL byte: {shown(value)}")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise RowError(f"{what} is not valid UTF-8: {shown(value)}")
    return value


def read_raw_lines(path: Path) -> Iterator[bytes]:
    """Yields the lines of a file, plain or compressed, while it is being read; it may be a pipe.

    Raises:
      InputError: the file does not exist, cannot be read or is corrupt.
    """
    try:
        for name, stream in open_streams(path):
            with reading(name):
                yield from stream
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error
