"""`manifest.json`, which describes a set of records and how it was built."""

import dataclasses
import itertools
import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from lvbert_tf.errors import InputError

MANIFEST_NAME = "manifest.json"
TRAINING_PREFIX = "pretrain_data.tfrecord"
HELD_OUT_PREFIX = "held_out.tfrecord"
FORMAT = 1
# Records are read in blocks of this many. The manifest lists where each block begins in its shard.
BLOCK_EXAMPLES = 8192


@dataclass(frozen=True)
class Shard:
    """One TFRecord file. `block_offsets` lists the byte offsets of every 8,192nd record."""

    name: str
    examples: int
    bytes: int
    sha256: str
    block_offsets: tuple[int, ...]

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Shard":
        """Makes a shard of its fields, as JSON has them."""
        return cls(**{**values, "block_offsets": tuple(values["block_offsets"])})


@dataclass(frozen=True)
class Counts:
    """How much a split holds.

    Attributes:
        documents: the number of documents.
        text_bytes: the size of their text in UTF-8.
        tokens: the number of tokens, without [CLS], [SEP] and padding.
        examples: the number of examples.
        unknown_tokens: how many of the tokens are [UNK]; None in manifests of earlier releases.
    """

    documents: int
    text_bytes: int
    tokens: int
    examples: int
    unknown_tokens: int | None = None

    @property
    def unknown_share(self) -> float:
        """The share of the tokens that are [UNK]; 0 where they were not counted."""
        return (self.unknown_tokens or 0) / max(1, self.tokens)


@dataclass(frozen=True)
class Split:
    """The training or the held-out examples. All examples of a document are in the same split."""

    counts: Counts
    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class Manifest:
    """What must agree with a model that is trained on the records, and how they were built."""

    vocabulary_sha256: str
    vocabulary_size: int
    max_seq_length: int
    lowercase: bool
    strip_accents: bool
    training: Split
    held_out: Split
    settings: dict[str, Any]
    format: int = FORMAT

    def to_json(self) -> str:
        """The content of the file."""
        content = dataclasses.asdict(self)
        for split in ("training", "held_out"):
            # Earlier releases had no such count, and a search compares the hash of this text.
            if content[split]["counts"]["unknown_tokens"] is None:
                del content[split]["counts"]["unknown_tokens"]
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, path: str | PurePath) -> "Manifest":
        """Parses the content of the file.

        Raises:
            InputError: the content is damaged or of another format; the message names `path`.
        """
        try:
            values = json.loads(text)
            if values["format"] != FORMAT:
                raise InputError(
                    f"{path}: format {values['format']!r}; this program reads {FORMAT}"
                )
            values["training"] = split_of(values["training"])
            values["held_out"] = split_of(values["held_out"])
            return cls(**values)
        except InputError:
            raise
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise InputError(f"{path} is damaged ({error!r}); build the records again") from error


def split_of(values: dict[str, Any]) -> Split:
    """Makes a split of its fields, as JSON has them."""
    shards = tuple(map(Shard.from_json, values["shards"]))
    for shard in shards:
        _check_shard(shard)
    counts = Counts(**values["counts"])
    # A damaged digit is a digit still; records must not be left out without a word.
    if sum(shard.examples for shard in shards) != counts.examples:
        raise ValueError(f"the shards have other than {counts.examples!r} examples in all")
    return Split(counts, shards)


def _check_shard(shard: Shard) -> None:
    if not isinstance(shard.name, str) or PurePath(shard.name).name != shard.name:
        raise ValueError(f"a shard is named {shard.name!r}")
    offsets = shard.block_offsets
    if not all(type(number) is int for number in (shard.examples, shard.bytes, *offsets)):
        raise ValueError(f"{shard.name} has counts that are no integers")
    ascending = [*offsets, shard.bytes]
    if (
        len(offsets) != -(-shard.examples // BLOCK_EXAMPLES)
        or offsets[:1] not in ((), (0,))
        or any(low >= high for low, high in itertools.pairwise(ascending))
    ):
        raise ValueError(f"{shard.name} has {shard.examples} examples and other places of them")
