"""Opens the files of a corpus: plain, compressed, and in directories and tar archives.

Everything is read as a stream. The members of an archive are never extracted, so no file can be written
by a malicious path in an archive.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO, cast

import zstandard

from lvbert_tf.errors import InputError, reason
from lvbert_tf.io.files import check_ordinary, packed_format
from lvbert_tf.io.objects import ObjectReader
from lvbert_tf.io.paths import BucketPath, parse_path
from lvbert_tf.io.zstandard_reader import open_zstandard

COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
# The first bytes of compressed data -> the function that opens it.
_OPENERS: dict[re.Pattern[bytes], Callable[[Any], Any]] = {
    re.compile(rb"\x1f\x8b"): gzip.open,
    re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"): bz2.open,
    re.compile(rb"\xfd7zXZ\0"): lzma.open,
    re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"): open_zstandard,
}
_LONGEST_BEGINNING = 10
_PARQUET = b"PAR1"
_BUFFER_BYTES = 1 << 20
# OpenWebText has four layers: a compressed tar of compressed tars of texts.
_MAX_NESTING = 8
_CORRUPT = (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, tarfile.TarError)


class _Counting(io.RawIOBase):
    """A file that reports the number of bytes that are read from it."""

    def __init__(self, path: Path, on_bytes: Callable[[int], object]):
        super().__init__(path)  # type: ignore[call-arg]
        self._on_bytes = on_bytes

    def readinto(self, buffer) -> int:
        count = super().readinto(buffer)  # type: ignore[misc]
        self._on_bytes(count)
        return count


class _CountingFile(_Counting, io.FileIO):
    """A file of this machine."""


class _CountingObject(_Counting, ObjectReader):
    """An object in a bucket."""


@dataclass(frozen=True)
class FoundFile:
    """A file that can be read.

    Attributes:
        path: the path.
        bytes: its size on the disk.
        modified: when it was modified, in nanoseconds.
        is_parquet: whether it is a Parquet file, which is not read as a stream.
    """

    path: Path
    bytes: int
    modified: int
    is_parquet: bool = False

    @property
    def identity(self) -> tuple:
        """What differs where the file may hold something else."""
        return str(self.path), self.bytes, self.modified


def find_files(path: str) -> list[FoundFile]:
    """Lists a file, or all files in a directory and below it, sorted. Hidden files are left out.

    Links are followed. The beginning of each file is read, so that a file that cannot be read is found
    before work has gone into the others.

    Raises:
        InputError: there is no such file or directory, or no file in it; or something in it cannot be
            read: a link to nothing, or to a directory that contains it, a pipe, a socket, a device, a
            file without permission, a zip archive.
    """
    root = parse_path(path)
    if not root.exists() and not root.is_symlink():
        raise InputError(f"corpus not found: {path}; give a file, a directory or tfds:NAME")
    if not root.is_dir():
        return [_checked_file(root)]
    files = sorted(_walk(root))
    if not files:
        raise InputError(f"corpus directory has no files: {path}")
    return [_checked_file(file) for file in files]


def _walk(root: Path) -> Iterator[Path]:
    """All files below a directory that are not hidden."""
    if isinstance(root, BucketPath):
        for name in root.objects():
            if not any(part.startswith(".") for part in name.split("/")):
                yield root / name
        return
    # Directory -> the identities of it and of all directories above it, up to the root.
    lineages: dict[Path, list[tuple[int, int]]] = {root: [_identity(root)]}
    for name, children, others in os.walk(root, followlinks=True, onerror=_refuse_directory):
        folder = parse_path(name)
        lineage = lineages.pop(folder)
        children[:] = sorted(child for child in children if not child.startswith("."))
        for child in children:
            identity = _identity(folder / child)
            if identity in lineage:
                raise InputError(
                    f"corpus directory {folder / child} is a link to a directory that contains it,"
                    " so it has no end; remove the link"
                )
            lineages[folder / child] = [*lineage, identity]
        yield from (folder / other for other in others if not other.startswith("."))


def _identity(directory: Path) -> tuple[int, int]:
    status = directory.stat()
    return status.st_dev, status.st_ino


def _refuse_directory(error: OSError) -> None:
    raise InputError(
        f"corpus directory {error.filename} cannot be read: {reason(error)}"
    ) from error


def _checked_file(path: Path) -> FoundFile:
    try:
        check_ordinary(path)
        beginning = _beginning(path)
        _check_format(str(path), beginning)
        status = path.stat()
        is_parquet = beginning.startswith(_PARQUET)
        return FoundFile(path, status.st_size, status.st_mtime_ns, is_parquet)
    except InputError as error:
        raise InputError(f"corpus file {error}") from error
    except OSError as error:
        what = f"corpus file {path}"
        if path.is_symlink():
            what += f", a link to {os.readlink(path)},"
        raise InputError(f"{what} cannot be read: {reason(error)}") from error


def _beginning(path: Path) -> bytes:
    if isinstance(path, BucketPath):  # where opening would fetch megabytes
        # A store refuses a range of an empty object.
        return path.read_bytes(0, _LONGEST_BEGINNING) if path.stat().st_size else b""
    with path.open("rb", buffering=0) as file:
        return file.read(_LONGEST_BEGINNING)


def open_streams(
    path: Path, on_bytes: Callable[[int], object] = lambda count: None
) -> Iterator[tuple[str, BinaryIO]]:
    """Yields `(name, stream)` for a file, or for every member of an archive, decompressed.

    Compression and archives are recognised by their content, not by their name. Each stream must be
    read before the next one is requested.

    Args:
        path: a file that is plain, compressed by gzip, bzip2, xz or zstd, or a tar archive of such
            files.
        on_bytes: called with the number of bytes that were read from the disk.

    Raises:
        InputError: the compressed data or the archive is corrupt; the message names the file.
    """
    kind = _CountingObject if isinstance(path, BucketPath) else _CountingFile
    with kind(path, on_bytes) as file:
        yield from _open(str(path), io.BufferedReader(file, _BUFFER_BYTES), _MAX_NESTING)


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Turns the exceptions that corrupt data raises while `name` is read into an InputError."""
    try:
        yield
    except (*_CORRUPT, OSError) as error:
        # gzip and bz2 raise an OSError too, but without the error number of a system error.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(f"{name}: corrupt or truncated: {error}") from error


def uncompressed_name(name: str) -> str:
    """Removes the suffixes of compression: `a.jsonl.gz` becomes `a.jsonl`."""
    for suffix in COMPRESSED_SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _open(
    name: str, stream: io.BufferedReader, nesting: int, decompressed: bool = False
) -> Iterator[tuple[str, BinaryIO]]:
    if nesting == 0:
        raise InputError(f"{name}: archives nested more than {_MAX_NESTING} deep")
    promised = name.endswith(COMPRESSED_SUFFIXES) and not decompressed
    with reading(name):
        start = stream.peek(512)
        if opener := _opener(start):
            inner = io.BufferedReader(opener(stream), _BUFFER_BYTES)
            yield from _open(name, inner, nesting - 1, decompressed=True)
        elif promised and len(start) < _LONGEST_BEGINNING:
            raise EOFError(f"a compressed file has more than {len(start)} bytes")
        elif start[257:262] == b"ustar" or name.endswith(".tar"):
            yield from _open_members(name, stream, nesting)
        elif start.startswith(_PARQUET):
            raise InputError(
                f"{name} is a Parquet file, which is read from a corpus only, and neither compressed"
                " nor in an archive"
            )
        else:
            _check_format(name, start)
            yield name, stream


def _opener(start: bytes) -> Callable[[Any], Any] | None:
    """The function that decompresses data with this beginning, if there is one."""
    return next((how for beginning, how in _OPENERS.items() if beginning.match(start)), None)


def _check_format(name: str, start: bytes) -> None:
    packed = packed_format(start)
    if packed and not _opener(start):
        raise InputError(f"{name} is {packed}, which cannot be read; unpack it")


def _open_members(name: str, stream: BinaryIO, nesting: int) -> Iterator[tuple[str, BinaryIO]]:
    with tarfile.open(fileobj=stream, mode="r|", bufsize=_BUFFER_BYTES) as archive:
        while member := archive.next():
            hidden = PurePath(member.name).name.startswith(".")
            if member.isfile() and not hidden:
                inner = cast(io.BufferedReader, archive.extractfile(member))
                yield from _open(f"{name}!{member.name}", inner, nesting - 1)
            # tarfile keeps a list of all members, of which a large corpus has millions.
            archive.members.clear()  # type: ignore[attr-defined]
