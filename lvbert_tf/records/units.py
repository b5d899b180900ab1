"""Units of text: the parts of a corpus that are tokenized and packed independently.

A unit's records depend on its text, its index and the settings only, so any number of processes
gives the same files.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from lvbert_tf.records import examples, records
from lvbert_tf.records.manifest import Counts

UNIT_CHARACTERS = 1 << 20
# A longer document is divided, at the price of one example that is not full.
_MAX_UNIT_CHARACTERS = 4 * UNIT_CHARACTERS
# A small corpus also gets a held-out document: one of so many at its start.
_FIRST_GROUP = 10


@dataclass
class Unit:
    """Consecutive documents, about `UNIT_CHARACTERS` long.

    Args:
        index: of the unit.
        document: index of the first document.
        starts: whether the first text starts that document; a very long one is divided.
        texts: the lines of each document.
    """

    index: int
    document: int
    starts: bool
    texts: list[str]


@dataclass
class EncodedSplit:
    """Framed records of a unit's training or held-out documents."""

    records: list[bytes] = field(default_factory=list)
    documents: int = 0
    text_bytes: int = 0
    tokens: int = 0
    unknown_tokens: int = 0

    def add_to(self, counts: Counts) -> Counts:
        """The counts with this unit's added."""
        return Counts(
            documents=counts.documents + self.documents,
            text_bytes=counts.text_bytes + self.text_bytes,
            tokens=counts.tokens + self.tokens,
            examples=counts.examples + len(self.records),
            unknown_tokens=(counts.unknown_tokens or 0) + self.unknown_tokens,
        )


@dataclass(frozen=True)
class EncodingSettings:
    """What decides the records of a unit; sent to every process."""

    vocabulary_file: str
    lowercase: bool
    strip_accents: bool
    max_seq_length: int
    seed: int
    held_out_fraction: float


def divide(texts: Iterable[tuple[bool, str]]) -> Iterator[Unit]:
    """Gathers `(starts_document, text)`, as `Corpus.read` gives them, into units."""
    unit = None
    document, length = -1, 0
    for starts, text in texts:
        document += starts
        if unit is None or length >= (UNIT_CHARACTERS if starts else _MAX_UNIT_CHARACTERS):
            if unit:
                yield unit
            unit = Unit(unit.index + 1 if unit else 0, document, starts, [text])
            length = 0
        elif starts:
            unit.texts.append(text)
        else:
            unit.texts[-1] += "\n" + text
        length += len(text)
    if unit:
        yield unit


def is_held_out(document: int, fraction: float, seed: int) -> bool:
    """Whether the document with this index belongs to the held-out split.

    One of the first ten documents does (never the very first), then one of each group of
    `1 / fraction`; which one is a hash of the seed and the group.
    """
    if not fraction:
        return False
    period = round(1 / fraction)
    first_group = max(2, min(_FIRST_GROUP, period))
    if document < first_group:
        begin, size = 1, first_group - 1
    else:
        begin, size = document - (document - first_group) % period, period
    return document - begin == _chosen(size, seed, begin)


@lru_cache(maxsize=2)
def _chosen(size: int, seed: int, begin: int) -> int:
    """Which member of the group that begins with this document is held out."""
    digest = hashlib.blake2b(f"{seed}:{begin}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % size


class UnitEncoder:
    """Turns units into records. Holds a tokenizer, so that importing this needs no TensorFlow."""

    def __init__(self, settings: EncodingSettings):
        from lvbert_tf.text.tokenizer import Tokenizer

        self.settings = settings
        self._tokenizer = Tokenizer(
            settings.vocabulary_file, settings.lowercase, settings.strip_accents
        )
        vocabulary = self._tokenizer.vocabulary
        self._encode = records.ExampleEncoder(
            vocabulary.size, settings.max_seq_length, vocabulary.cls_id, vocabulary.sep_id
        )

    def __call__(self, unit: Unit) -> tuple[EncodedSplit, EncodedSplit]:
        """Tokenizes and packs a unit; returns its training and its held-out part."""
        settings = self.settings
        # Half a surrogate pair, which JSON can hold, is no character.
        texts = [text.encode(errors="ignore") for text in unit.texts]
        lines: list[bytes] = []
        last_lines = []
        for text in texts:
            lines += text.split(b"\n")
            last_lines.append(len(lines))
        ids = self._tokenizer(lines)
        tokens, row_splits = ids.values.numpy(), ids.row_splits.numpy().tolist()
        unknown = tokens == self._tokenizer.vocabulary.unk_id

        draws = examples.random_draws(settings.seed, unit.index)
        training, held_out = EncodedSplit(), EncodedSplit()
        spans, owners = [], []
        first_line = 0
        for document, (text, last_line) in enumerate(
            zip(texts, last_lines, strict=True), unit.document
        ):
            begin, *line_ends = row_splits[first_line : last_line + 1]
            packed = examples.pack(line_ends, begin, settings.max_seq_length, draws)
            spans += packed
            held = is_held_out(document, settings.held_out_fraction, settings.seed)
            split = held_out if held else training
            split.documents += unit.starts or first_line > 0
            split.text_bytes += len(text)
            split.tokens += line_ends[-1] - begin
            split.unknown_tokens += int(unknown[begin : line_ends[-1]].sum())
            owners += [split] * len(packed)
            first_line = last_line
        if spans:
            messages = self._encode(tokens, examples.as_spans(spans))
            for split, record in zip(owners, records.frame(messages), strict=True):
                split.records.append(record)
        return training, held_out
