"""Turns a part of a corpus into records: tokenizes it, divides it into examples and serializes them."""

from dataclasses import dataclass, field

from lvbert_tf.records import example_spans
from lvbert_tf.records.corpus_parts import CorpusPart
from lvbert_tf.records.example_encoder import ExampleEncoder
from lvbert_tf.records.held_out_split import is_held_out
from lvbert_tf.records.manifest import Counts
from lvbert_tf.records.tfrecord import frame


@dataclass
class EncodedSplit:
    """The records of one part's training documents, or of its held-out documents.

    Attributes:
        records: framed TFRecords.
        documents: the number of documents that begin in the part.
        text_bytes: the size of their texts in UTF-8.
        tokens: the number of tokens, without [CLS], [SEP] and padding.
        unknown_tokens: how many of the tokens are [UNK].
    """

    records: list[bytes] = field(default_factory=list)
    documents: int = 0
    text_bytes: int = 0
    tokens: int = 0
    unknown_tokens: int = 0

    def add_to(self, counts: Counts) -> Counts:
        """Returns the sum of some counts and those of this part."""
        return Counts(
            documents=counts.documents + self.documents,
            text_bytes=counts.text_bytes + self.text_bytes,
            tokens=counts.tokens + self.tokens,
            examples=counts.examples + len(self.records),
            unknown_tokens=(counts.unknown_tokens or 0) + self.unknown_tokens,
        )


@dataclass(frozen=True)
class EncodingSettings:
    """The settings that the records of a part depend on. Every encoding process gets them."""

    vocabulary_file: str
    lowercase: bool
    strip_accents: bool
    max_seq_length: int
    seed: int
    held_out_fraction: float


class PartEncoder:
    """Turns parts of a corpus into records.

    The tokenizer is imported when an encoder is made, because importing it loads TensorFlow.
    """

    def __init__(self, settings: EncodingSettings):
        from lvbert_tf.text.tokenizer import Tokenizer

        self.settings = settings
        self._tokenizer = Tokenizer(
            settings.vocabulary_file, settings.lowercase, settings.strip_accents
        )
        vocabulary = self._tokenizer.vocabulary
        self._encode = ExampleEncoder(
            vocabulary.size, settings.max_seq_length, vocabulary.cls_id, vocabulary.sep_id
        )

    def __call__(self, part: CorpusPart) -> tuple[EncodedSplit, EncodedSplit]:
        """Encodes a part; returns its training and its held-out records."""
        settings = self.settings
        if not part.texts:
            return EncodedSplit(), EncodedSplit()
        # JSON can hold half of a surrogate pair, which is no character; it is left out.
        texts = [text.encode(errors="ignore") for text in part.texts]
        lines: list[bytes] = []
        last_lines = []
        for text in texts:
            lines += text.split(b"\n")
            last_lines.append(len(lines))
        ids = self._tokenizer(lines)
        tokens, row_splits = ids.values.numpy(), ids.row_splits.numpy().tolist()
        unknown = tokens == self._tokenizer.vocabulary.unk_id

        draws = example_spans.random_draws(settings.seed, part.index, part.section)
        training, held_out = EncodedSplit(), EncodedSplit()
        spans, owners = [], []
        first_line = 0
        for document, (text, last_line) in enumerate(
            zip(texts, last_lines, strict=True), part.document
        ):
            begin, *line_ends = row_splits[first_line : last_line + 1]
            chosen = example_spans.choose_spans(line_ends, begin, settings.max_seq_length, draws)
            spans += chosen
            fraction, seed = settings.held_out_fraction, settings.seed
            held = is_held_out(document, fraction, seed, part.section)
            split = held_out if held else training
            split.documents += part.starts or first_line > 0
            split.text_bytes += len(text)
            split.tokens += line_ends[-1] - begin
            split.unknown_tokens += int(unknown[begin : line_ends[-1]].sum())
            owners += [split] * len(chosen)
            first_line = last_line
        if spans:
            messages = self._encode(tokens, example_spans.as_arrays(spans))
            for split, record in zip(owners, frame(messages), strict=True):
                split.records.append(record)
        return training, held_out
