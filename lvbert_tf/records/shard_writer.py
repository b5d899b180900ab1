"""Writes records to shards: TFRecord files of a moderate size."""

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from lvbert_tf.records.manifest import BLOCK_EXAMPLES, Shard

# About 115,000 examples of 128 tokens. Such files can be copied and checked, and there are not too many.
SHARD_BYTES = 64 << 20
_BUFFER_BYTES = 1 << 18


class LostShard(Exception):
    """A file of an earlier process does not hold what its state says."""


class _OpenShard:
    def __init__(self, file: BinaryIO):
        self.file = file
        self.examples = self.size = 0
        self._checksum = hashlib.sha256()
        self._block_offsets: list[int] = []

    @classmethod
    def reopen(cls, path: Path, written: Shard) -> "_OpenShard":
        """Opens a file to which an earlier process wrote, and drops what it wrote after its state."""
        try:
            shard = cls(path.open("r+b", _BUFFER_BYTES))
        except FileNotFoundError as error:
            raise LostShard(f"{path} is gone") from error
        shard.examples, shard.size = written.examples, written.bytes
        shard._block_offsets = list(written.block_offsets)
        rest = written.bytes
        while data := shard.file.read(min(rest, 1 << 20)):
            shard._checksum.update(data)
            rest -= len(data)
        if rest or shard._checksum.hexdigest() != written.sha256:
            shard.file.close()
            raise LostShard(f"{path} does not hold what was written to it")
        shard.file.seek(shard.size)
        shard.file.truncate()
        return shard

    def write(self, records: Sequence[bytes]) -> None:
        for record in records:
            if self.examples % BLOCK_EXAMPLES == 0:
                self._block_offsets.append(self.size)
            self.examples += 1
            self.size += len(record)
        data = b"".join(records)
        self._checksum.update(data)
        self.file.write(data)

    def flush(self) -> None:
        """Waits until all that was written is on the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def described(self) -> Shard:
        offsets = tuple(self._block_offsets)
        name = os.path.basename(self.file.name)
        return Shard(name, self.examples, self.size, self._checksum.hexdigest(), offsets)


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
        self._closed: list[Shard] = []
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
            self.close()

    def save(self) -> dict[str, Any]:
        """Waits until all records are on the disk.

        Returns:
            The state, for JSON: what `restore` needs to continue from here.

        Raises:
            OSError: the records cannot be written.
        """
        for shard in self._open:
            shard.flush()
        return {
            "closed": [dataclasses.asdict(shard) for shard in self._closed],
            "open": [dataclasses.asdict(shard.described()) for shard in self._open],
            "turn": self._turn,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continues what another writer wrote to the same directory; all that it wrote later is dropped.

        Args:
            state: what `save` returned.

        Raises:
            LostShard: a file is not there, or does not hold what it held when the state was saved.
        """
        self._closed = [Shard.from_json(shard) for shard in state["closed"]]
        self._turn = state["turn"]
        for index, (shard, name) in enumerate(zip(self._closed, self._final_names(), strict=True)):
            path = self._path(index)
            if not shard.examples:
                path.touch()
            elif not path.exists() and (self._directory / name).exists():
                (self._directory / name).rename(path)  # it was killed in `finish`
            if not path.exists() or path.stat().st_size != shard.bytes:
                raise LostShard(f"{path} does not hold what was written to it")
        for index, shard in enumerate(map(Shard.from_json, state["open"]), len(self._closed)):
            self._open.append(_OpenShard.reopen(self._path(index), shard))
        known = {self._path(index) for index in range(len(self._closed) + len(self._open))}
        for path in self._directory.glob(f"{self._prefix}-*"):
            if path not in known:
                path.unlink()

    def close(self) -> None:
        """Ends the open shards; what is written next goes to new ones.

        Raises:
            OSError: their records cannot be written.
        """
        for shard in self._open:
            shard.flush()
            shard.file.close()
        self._closed += [shard.described() for shard in self._open]
        self._open = []

    def finish(self) -> tuple[Shard, ...]:
        """Closes the shards and gives them their names; those without records are removed."""
        self.close()
        shards = []
        for index, (shard, name) in enumerate(zip(self._closed, self._final_names(), strict=True)):
            path = self._path(index)
            if shard.examples:
                path.rename(self._directory / name)
                shards.append(dataclasses.replace(shard, name=name))
            else:
                path.unlink()
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

    def _final_names(self) -> list[str]:
        """The names at the end of all shards that are closed; those without records have none."""
        filled = sum(shard.examples > 0 for shard in self._closed)
        numbers = iter(range(filled))
        return [
            f"{self._prefix}-{next(numbers)}-of-{filled}" if shard.examples else ""
            for shard in self._closed
        ]
