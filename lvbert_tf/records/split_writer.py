"""Writes the training or the held-out records of a build, and counts what they hold."""

import dataclasses
from pathlib import Path
from typing import Any

from lvbert_tf.records.manifest import Counts, Split
from lvbert_tf.records.part_encoder import EncodedSplit
from lvbert_tf.records.shard_writer import SHARD_BYTES, ShardWriter


class SplitWriter:
    """Writes a split; see `ShardWriter` for the arguments."""

    def __init__(
        self,
        directory: Path,
        prefix: str,
        files_at_once: int,
        shard_bytes: int | None = SHARD_BYTES,
    ):
        self._shards = ShardWriter(directory, prefix, files_at_once, shard_bytes)
        self.counts = Counts(0, 0, 0, 0, 0)

    def write(self, encoded: EncodedSplit) -> None:
        """Appends the records of a part.

        Raises:
            OSError: they cannot be written.
        """
        self.counts = encoded.add_to(self.counts)
        if encoded.records:
            self._shards.write(encoded.records)

    def save(self) -> dict[str, Any]:
        """As `ShardWriter.save`."""
        return {"counts": dataclasses.asdict(self.counts), "shards": self._shards.save()}

    def restore(self, state: dict[str, Any]) -> None:
        """As `ShardWriter.restore`."""
        self.counts = Counts(**state["counts"])
        self._shards.restore(state["shards"])

    def close(self) -> None:
        """As `ShardWriter.close`."""
        self._shards.close()

    def finish(self) -> Split:
        """Gives the shards their names."""
        return Split(self.counts, self._shards.finish())

    def abandon(self) -> None:
        """Closes the files after a failure."""
        self._shards.abandon()
