"""Writes records to shards: TFRecord files of a moderate size."""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from lvbert_tf.records.manifest import BLOCK_EXAMPLES, Shard

# About 115,000 examples of 128 tokens. Such files can be copied and checked, and there are not too many.
SHARD_BYTES = 64 << 20
_BUFFER_BYTES = 1 << 18


@dataclass
class _OpenShard:
    file: BinaryIO
    examples: int = 0
    size: int = 0
    checksum: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    block_offsets: list[int] = field(default_factory=list)

    def write(self, records: Sequence[bytes]) -> None:
        for record in records:
            if self.examples % BLOCK_EXAMPLES == 0:
                self.block_offsets.append(self.size)
            self.examples += 1
            self.size += len(record)
        data = b"".join(records)
        self.checksum.update(data)
        self.file.write(data)


class ShardWriter:
    """Distributes records over a few shards at a time, so that each is a sample of its part of the
    corpus.

    Shards get their final names, `PREFIX-I-of-N`, at the end, when N is known.

    Args:
        directory: an existing directory.
        prefix: the first part of the shards' names.
        files_at_once: the number of shards that are written at the same time.
        shard_bytes: the size after which the next shards are begun; None writes only the first ones.
    """

    def __init__(
        self,
        directory: Path,
        prefix: str,
        files_at_once: int,
        shard_bytes: int | None = SHARD_BYTES,
    ):
        self._directory = directory
        self._prefix = prefix
        self._files_at_once = files_at_once
        self._shard_bytes = shard_bytes
        self._open: list[_OpenShard] = []
        self._closed: list[_OpenShard] = []
        self._turn = 0

    def write(self, records: Sequence[bytes]) -> None:
        """Appends framed records.

        Raises:
            OSError: they cannot be written.
        """
        if not self._open:
            first = len(self._closed)
            names = range(first, first + self._files_at_once)
            self._open = [_OpenShard(self._path(name).open("xb", _BUFFER_BYTES)) for name in names]
            self._turn = 0
        for position, shard in enumerate(self._open):
            shard.write(
                records[(position - self._turn) % self._files_at_once :: self._files_at_once]
            )
        self._turn = (self._turn + len(records)) % self._files_at_once
        if self._shard_bytes and self._open[-1].size >= self._shard_bytes:
            self._close_files()

    def finish(self) -> tuple[Shard, ...]:
        """Closes the shards and gives them their names; those without records are removed."""
        self._close_files()
        filled = [index for index, shard in enumerate(self._closed) if shard.examples]
        shards: list[Shard] = []
        for index, shard in enumerate(self._closed):
            if not shard.examples:
                self._path(index).unlink()
                continue
            name = f"{self._prefix}-{len(shards)}-of-{len(filled)}"
            self._path(index).rename(self._directory / name)
            digest = shard.checksum.hexdigest()
            offsets = tuple(shard.block_offsets)
            shards.append(Shard(name, shard.examples, shard.size, digest, offsets))
        return tuple(shards)

    def abandon(self) -> None:
        """Closes the files after a failure."""
        for shard in self._open:
            # Closing flushes the buffer, which fails again on a full disk.
            with contextlib.suppress(OSError):
                shard.file.close()
        self._open = []

    def _path(self, index: int) -> Path:
        return self._directory / f"{self._prefix}-{index}"

    def _close_files(self) -> None:
        for shard in self._open:
            shard.file.close()
        self._closed += self._open
        self._open = []
