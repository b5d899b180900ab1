"""Units of text: the parts of a corpus that are tokenized and packed independently.

A unit's records depend on its text, its index and the settings only, so any number of processes
gives the same files.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lvbert_tf.pretraining import examples, records
from lvbert_tf.pretraining.manifest import Counts

UNIT_CHARACTERS = 1 << 20
# A longer document is divided, at the price of one example that is not full.
_MAX_UNIT_CHARACTERS = 4 * UNIT_CHARACTERS
# A small corpus also gets a held-out document: one of so many at its start.
_FIRST_GROUP = 10


@dataclass(frozen=True)
class DocumentText:
    """A document, or a part of a very long one; `starts` tells the first part."""

    document: int
    starts: bool
    text: str


@dataclass
class Unit:
    """Consecutive documents, about `UNIT_CHARACTERS` long."""

    index: int
    documents: list[DocumentText]


@dataclass
class EncodedSplit:
    """Framed records of a unit's training or held-out documents."""

    records: list[bytes] = field(default_factory=list)
    documents: int = 0
    text_bytes: int = 0
    tokens: int = 0

    def add_to(self, counts: Counts) -> Counts:
        """The counts with this unit's added."""
        return Counts(
            documents=counts.documents + self.documents,
            text_bytes=counts.text_bytes + self.text_bytes,
            tokens=counts.tokens + self.tokens,
            examples=counts.examples + len(self.records),
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
    index, document, length = 0, -1, 0
    gathered: list[tuple[bool, list[str]]] = []

    def unit() -> Unit:
        first = document - len(gathered) + 1
        return Unit(
            index,
            [
                DocumentText(first + position, starts, "\n".join(parts))
                for position, (starts, parts) in enumerate(gathered)
            ],
        )

    for starts, text in texts:
        limit = UNIT_CHARACTERS if starts else _MAX_UNIT_CHARACTERS
        if gathered and length >= limit:
            yield unit()
            index, gathered, length = index + 1, [], 0
        document += starts
        if starts or not gathered:
            gathered.append((starts, []))
        gathered[-1][1].append(text)
        length += len(text)
    if gathered:
        yield unit()


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
    digest = hashlib.blake2b(f"{seed}:{begin}".encode(), digest_size=8).digest()
    return document - begin == int.from_bytes(digest, "big") % size


class UnitEncoder:
    """Turns units into records. Holds a tokenizer, so that importing this needs no TensorFlow."""

    def __init__(self, settings: EncodingSettings):
        from lvbert_tf.text.tokenizer import Tokenizer

        self.settings = settings
        self._tokenizer = Tokenizer(
            settings.vocabulary_file, settings.lowercase, settings.strip_accents
        )

    def __call__(self, unit: Unit) -> tuple[EncodedSplit, EncodedSplit]:
        """Tokenizes and packs a unit; returns its training and its held-out part."""
        settings, vocabulary = self.settings, self._tokenizer.vocabulary
        # Half a surrogate pair, which JSON can hold, is no character.
        texts = [document.text.encode(errors="ignore") for document in unit.documents]
        lines = [text.split(b"\n") for text in texts]
        ids = self._tokenizer([line for document in lines for line in document])
        tokens, row_splits = ids.values.numpy(), ids.row_splits.numpy().tolist()

        draws = examples.random_draws(settings.seed, unit.index)
        training, held_out = EncodedSplit(), EncodedSplit()
        spans, owners = [], []
        first_line = 0
        for document, text, document_lines in zip(unit.documents, texts, lines, strict=True):
            begin = row_splits[first_line]
            line_ends = row_splits[first_line + 1 : first_line + 1 + len(document_lines)]
            first_line += len(document_lines)
            packed = examples.pack(line_ends, begin, settings.max_seq_length, draws)
            spans += packed
            held = is_held_out(document.document, settings.held_out_fraction, settings.seed)
            split = held_out if held else training
            split.documents += document.starts
            split.text_bytes += len(text)
            split.tokens += line_ends[-1] - begin
            owners += [split] * len(packed)
        if spans:
            layout = examples.as_spans(spans)
            laid_out = examples.assemble(
                tokens, layout, settings.max_seq_length, vocabulary.cls_id, vocabulary.sep_id
            )
            encoded = records.encode_examples(laid_out, layout.first_lengths, layout.lengths)
            for split, record in zip(owners, records.frame(encoded), strict=True):
                split.records.append(record)
        return training, held_out
