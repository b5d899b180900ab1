"""Which shards the records of a part go to, computed from sizes instead of by writing.

`ShardWriter` deals out records in turn, and begins new shards when the last of those that are open is
large enough. So the place of a part's records follows from how many records the parts before it have,
and how large they are. With these numbers, shards can be written at the same time on many machines.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lvbert_tf.records.manifest import Counts
from lvbert_tf.records.part_encoder import EncodedSplit


@dataclass(frozen=True)
class ShardLimits:
    """How a split is divided into shards: see `ShardWriter`."""

    prefix: str
    files_at_once: int
    shard_bytes: int | None


@dataclass(frozen=True)
class SplitSize:
    """How much of a split one part has.

    Attributes:
        counts: its counts.
        record_bytes: the size of its framed records `r`, `r + n`, `r + 2n` and so on, for each `r` below
            `n`, the number of shards that are written at the same time; empty if these have no limit.
    """

    counts: Counts
    record_bytes: tuple[int, ...] = ()


@dataclass(frozen=True)
class SplitLayout:
    """The shards of a split, and where in them the records of each part go.

    Attributes:
        names: the names of the shards.
        files_at_once: the number of shards that records are dealt out to.
        first: int64 [parts]; of the shards that a part is dealt out to, the index of the first one.
        turn: int64 [parts]; the place in them at which the first record goes.
    """

    names: tuple[str, ...]
    files_at_once: int
    first: np.ndarray
    turn: np.ndarray

    def deal(self, part: int, records: Sequence[bytes]) -> Iterable[tuple[str, Sequence[bytes]]]:
        """Yields the name of each shard that gets records of a part, and these records.

        Args:
            part: the number of the part in the order of writing.
            records: all records of the part.
        """
        first, turn = int(self.first[part]), int(self.turn[part])
        for position in range(self.files_at_once):
            if dealt := records[(position - turn) % self.files_at_once :: self.files_at_once]:
                yield self.names[first + position], dealt


def size_of(encoded: EncodedSplit, limits: ShardLimits) -> SplitSize:
    """Measures what a part has of a split."""
    places = range(limits.files_at_once if limits.shard_bytes else 0)
    return SplitSize(
        encoded.add_to(Counts(0, 0, 0, 0, 0)),
        tuple(sum(map(len, encoded.records[place :: limits.files_at_once])) for place in places),
    )


def lay_out(sizes: Iterable[SplitSize], limits: ShardLimits) -> SplitLayout:
    """Lays out the shards that a `ShardWriter` would write.

    Args:
        sizes: the sizes of all parts, in the order of writing.
        limits: how they are divided into shards.
    """
    files_at_once = limits.files_at_once
    firsts, turns = [], []
    shards = dealt = last_bytes = 0  # shards before the open ones; records and bytes in these
    for size in sizes:
        turn = dealt % files_at_once
        firsts.append(shards)
        turns.append(turn)
        dealt += size.counts.examples
        if limits.shard_bytes:
            last_bytes += size.record_bytes[(files_at_once - 1 - turn) % files_at_once]
            if last_bytes >= limits.shard_bytes:
                shards, dealt, last_bytes = shards + files_at_once, 0, 0
    # Shards are opened together, but those without records are removed.
    shards += min(dealt, files_at_once)
    names = tuple(f"{limits.prefix}-{index}-of-{shards}" for index in range(shards))
    return SplitLayout(names, files_at_once, np.array(firsts), np.array(turns))
