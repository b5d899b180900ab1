"""Opens what a corpus is made of: files, directories, compressed files and tar archives.

Everything is read as a stream. A tar member is read where it lies and never extracted, so a
member's path cannot write anywhere.
"""

import contextlib
import gzip
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from lvbert_tf.errors import InputError

_OPENERS: dict[bytes, Callable[[Any], Any]] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\0": lzma.open}
_SUFFIXES = (".gz", ".xz")
_BUFFER_BYTES = 1 << 20
# OpenWebText has four layers: a compressed tar of compressed tars of texts.
_MAX_NESTING = 8
_CORRUPT = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, tarfile.TarError)


class _CountingFile(io.FileIO):
    """A file that tells how many bytes have been read from it."""

    def __init__(self, path: Path, on_bytes: Callable[[int], object]):
        super().__init__(path)
        self._on_bytes = on_bytes

    def readinto(self, buffer) -> int:
        count = super().readinto(buffer)
        self._on_bytes(count)
        return count


def find_files(path: str) -> list[Path]:
    """Lists a file, or every file under a directory, sorted; hidden ones are left out.

    Raises:
        InputError: if there is no such file or directory, or no file in it.
    """
    root = Path(path)
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise InputError(f"corpus not found: {path}; give a file, a directory or tfds:NAME")
    files = sorted(
        Path(folder, name)
        for folder, _, names in os.walk(root, followlinks=True)
        for name in names
        if not any(part.startswith(".") for part in Path(folder, name).relative_to(root).parts)
    )
    if not files:
        raise InputError(f"corpus directory has no files: {path}")
    return files


def open_streams(
    path: Path, on_bytes: Callable[[int], object] = lambda count: None
) -> Iterator[tuple[str, BinaryIO]]:
    """Yields `(name, stream)` for the file, or for every member of an archive, decompressed.

    Compression and archives are recognised by their content, not their name. A stream must be
    read before the next one is asked for.

    Args:
        path: a file: plain, .gz, .xz, or a tar, also of such.
        on_bytes: called with the number of bytes read from the disk.

    Raises:
        InputError: if the compressed data or the archive is corrupt; names the file.
    """
    with _CountingFile(path, on_bytes) as file:
        yield from _open(str(path), io.BufferedReader(file, _BUFFER_BYTES), _MAX_NESTING)


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Turns what corrupt compressed data raises while `name` is read into an InputError."""
    try:
        yield
    except _CORRUPT as error:
        raise InputError(f"{name}: corrupt or truncated: {error}") from error


def _open(name: str, stream: io.BufferedReader, nesting: int) -> Iterator[tuple[str, BinaryIO]]:
    if nesting == 0:
        raise InputError(f"{name}: archives nested more than {_MAX_NESTING} deep")
    with reading(name):
        start = stream.peek(512)
        opener = next((o for magic, o in _OPENERS.items() if start.startswith(magic)), None)
        if opener:
            inner = io.BufferedReader(opener(stream), _BUFFER_BYTES)
            yield from _open(name, inner, nesting - 1)
        elif start[257:262] == b"ustar" or name.endswith(".tar"):
            yield from _open_members(name, stream, nesting)
        else:
            yield _without_suffix(name), stream


def _open_members(name: str, stream: BinaryIO, nesting: int) -> Iterator[tuple[str, BinaryIO]]:
    with tarfile.open(fileobj=stream, mode="r|", bufsize=_BUFFER_BYTES) as archive:
        while member := archive.next():
            hidden = Path(member.name).name.startswith(".")
            if member.isfile() and not hidden:
                inner = cast(io.BufferedReader, archive.extractfile(member))
                yield from _open(f"{name}!{member.name}", inner, nesting - 1)
            # An archive remembers every member it has passed: millions in a large corpus.
            archive.members.clear()  # type: ignore[attr-defined]


def _without_suffix(name: str) -> str:
    """`a.jsonl.gz` -> `a.jsonl`, so that what is left tells the format."""
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name
