"""`manifest.json`: what a set of records holds and how it was made."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from lvbert_tf.errors import InputError

MANIFEST_NAME = "manifest.json"
TRAINING_PREFIX = "pretrain_data.tfrecord"
HELD_OUT_PREFIX = "held_out.tfrecord"
FORMAT = 1
# Examples are read in blocks, whose places in a shard the manifest lists.
BLOCK_EXAMPLES = 8192


@dataclass(frozen=True)
class Shard:
    """One TFRecord file; `block_offsets` has the byte where every 8,192nd record starts."""

    name: str
    examples: int
    bytes: int
    sha256: str
    block_offsets: tuple[int, ...]


@dataclass(frozen=True)
class Counts:
    """Of one split; `text_bytes` is UTF-8, `tokens` leaves out [CLS], [SEP] and padding.

    `unknown_tokens` are those of `tokens` that are [UNK]; None in manifests of earlier releases.
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
    """Training or held-out examples, divided by document."""

    counts: Counts
    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class Manifest:
    """Everything that must agree with a model trained on the records, and where they came from."""

    vocabulary_sha256: str
    vocabulary_size: int
    max_seq_length: int
    lowercase: bool
    strip_accents: bool
    training: Split
    held_out: Split
    settings: dict[str, Any]
    format: int = FORMAT

    def split_of(self, file_name: str) -> Split | None:
        """The split that lists this file, if one does."""
        for split in (self.training, self.held_out):
            if any(shard.name == file_name for shard in split.shards):
                return split
        return None

    def to_json(self) -> str:
        """The file's text."""
        content = dataclasses.asdict(self)
        for split in ("training", "held_out"):
            # Earlier releases had no such count, and searches know their records by this text.
            if content[split]["counts"]["unknown_tokens"] is None:
                del content[split]["counts"]["unknown_tokens"]
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, path: str | PurePath) -> "Manifest":
        """Parses the file's text.

        Raises:
            InputError: if it is damaged or of another format; names `path`.
        """
        try:
            values = json.loads(text)
            if values["format"] != FORMAT:
                raise InputError(
                    f"{path}: format {values['format']!r}; this program reads {FORMAT}"
                )
            values["training"] = _split(values["training"])
            values["held_out"] = _split(values["held_out"])
            return cls(**values)
        except InputError:
            raise
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path} is damaged ({error!r}); build the records again") from error


def _split(values: dict[str, Any]) -> Split:
    shards = (
        Shard(**{**shard, "block_offsets": tuple(shard["block_offsets"])})
        for shard in values["shards"]
    )
    return Split(Counts(**values["counts"]), tuple(shards))
