"""Reads through a TFRecord file, counts its records and finds those that are damaged."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from lvbert_tf.io.paths import parse_path
from lvbert_tf.records.manifest import BLOCK_EXAMPLES
from lvbert_tf.records.tfrecord import FRAME_BYTES, masked_crc32c

_CHUNK_BYTES = 16 << 20
_HEADER_BYTES = 12


@dataclass
class RecordScan:
    """The sound and the damaged records of a file.

    Attributes:
        blocks: `(byte offset, number of records)` of consecutive sound records, at most 8,192 each.
        corrupt: the number of damaged records; a damaged end of the file counts as one.
        first_damage: `(index of the record, byte offset)` of the first damaged record, if there is one.
    """

    blocks: list[tuple[int, int]] = field(default_factory=list)
    corrupt: int = 0
    first_damage: tuple[int, int] | None = None
    _index: int = 0
    _run_is_open: bool = False

    def add(self, offset: int, is_sound: bool) -> None:
        """Adds the record that starts at a byte offset."""
        if not is_sound:
            self.corrupt += 1
            self.first_damage = self.first_damage or (self._index, offset)
        elif self._run_is_open and self.blocks[-1][1] < BLOCK_EXAMPLES:
            self.blocks[-1] = (self.blocks[-1][0], self.blocks[-1][1] + 1)
        else:
            self.blocks.append((offset, 1))
        self._run_is_open = is_sound
        self._index += 1


def scan(path: str, verify: bool) -> RecordScan:
    """Reads a TFRecord file from end to end.

    After a record with damaged data the next record is read. After a damaged length no other record
    can be found, and the rest of the file counts as one damaged record.

    Args:
        path: a path, which may be in a bucket.
        verify: whether to check the data of the records (at about 300 MB/s) and not only their lengths.
    """
    result = RecordScan()
    size = parse_path(path).stat().st_size
    with parse_path(path).open("rb") as file:
        base, chunk = 0, b""
        while base < size:
            missing = _CHUNK_BYTES
            if chunk and (need := _record_bytes(chunk, 0)):
                missing = max(missing, need - len(chunk))
            read = file.read(min(missing, size - base - len(chunk)))
            chunk += read
            positions, end = _complete_records(chunk)
            sound = _sound(chunk, positions) if verify else [True] * len(positions)
            for (start, _), is_sound in zip(positions, sound, strict=True):
                result.add(base + start, is_sound)
            header_is_bad = len(chunk) - end >= _HEADER_BYTES and not _record_bytes(chunk, end)
            base, chunk = base + end, chunk[end:]
            if chunk and (header_is_bad or base + len(chunk) == size or not read):
                result.add(base, is_sound=False)
                break
    return result


def is_damaged_at(path: str, data_offset: int) -> bool:
    """Whether the data at a byte offset is that of a record with a sound length and damaged data."""
    start = data_offset - _HEADER_BYTES
    if start < 0 or start + FRAME_BYTES > parse_path(path).stat().st_size:
        return False
    with parse_path(path).open("rb") as file:
        file.seek(start)
        header = file.read(_HEADER_BYTES)
        size = _record_bytes(header, 0)
        chunk = header + file.read(size - _HEADER_BYTES) if size else b""
    positions, _ = _complete_records(chunk)
    return bool(positions) and not _sound(chunk, positions[:1])[0]


def messages(chunk: bytes) -> Iterator[tuple[int, bytes | None]]:
    """The place and the data of every whole record in some bytes.

    Yields:
        the byte at which the data begins, and the data; None if it is damaged.
    """
    positions, _ = _complete_records(chunk)
    for (start, end), is_sound in zip(positions, _sound(chunk, positions), strict=True):
        data = start + _HEADER_BYTES
        yield data, chunk[data : end - 4] if is_sound else None


def _complete_records(chunk: bytes) -> tuple[list[tuple[int, int]], int]:
    """`(start, end)` of every whole record in some bytes, and the end of the last one."""
    positions, start = [], 0
    while size := _record_bytes(chunk, start):
        if start + size > len(chunk):
            break
        positions.append((start, start + size))
        start += size
    return positions, start


def _record_bytes(chunk: bytes, start: int) -> int:
    """The size of a record with its frame; 0 if its length is cut off or damaged."""
    header = chunk[start : start + _HEADER_BYTES]
    if len(header) < _HEADER_BYTES or _header_checksum(header[:8]) != header[8:]:
        return 0
    return struct.unpack_from("<Q", header)[0] + FRAME_BYTES


def _sound(chunk: bytes, positions: list[tuple[int, int]]) -> list[bool]:
    return [
        masked_crc32c(chunk[start + _HEADER_BYTES : end - 4]) == chunk[end - 4 : end]
        for start, end in positions
    ]


@lru_cache(maxsize=1 << 14)
def _header_checksum(length: bytes) -> bytes:
    return masked_crc32c(length)
