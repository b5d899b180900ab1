"""What a corpus becomes: tokens, examples and records, and the hours that building them takes."""

from dataclasses import dataclass

import numpy as np

from lvbert_tf.records.example_encoder import ExampleEncoder
from lvbert_tf.records.example_spans import as_arrays
from lvbert_tf.records.tfrecord import frame

# Measured on the State of the Union addresses at 128 and at 512 tokens. Documents of a few sentences
# fill less of an example, because its text is always of one document.
_TOKENS_SHARE = 0.96
# The ids of BERT's vocabulary take one, two or three bytes, nearly always two.
_TYPICAL_ID, _VOCABULARY_SIZE = 5000, 30522


@dataclass(frozen=True)
class BuildRates:
    """How fast records are built, and what text and machines are like.

    Attributes:
      bytes_per_token: bytes of text for each token of the vocabulary.
      core_rate: bytes of text that a processor core builds from in a second.
      cores: cores of a machine that builds.
    """

    bytes_per_token: float
    core_rate: float
    cores: int


@dataclass(frozen=True)
class CorpusPlan:
    """The records of a corpus.

    Attributes:
      text_bytes: UTF-8 bytes of the text, without any compression.
      tokens: tokens of the text, without [CLS], [SEP] and padding.
      examples: pre-training examples.
      record_bytes: bytes of one record on disk.
      build_core_hours: hours of one core.
      build_machine_hours: hours of one machine, if all its cores are busy.
    """

    text_bytes: float
    tokens: float
    examples: float
    record_bytes: int
    build_core_hours: float
    build_machine_hours: float

    @property
    def records_bytes(self) -> float:
        """Bytes of all records."""
        return self.examples * self.record_bytes

    @classmethod
    def of(cls, text_bytes: float, max_seq_length: int, rates: BuildRates) -> "CorpusPlan":
        """Plans the records of a corpus.

        Args:
          text_bytes: bytes of the text.
          max_seq_length: tokens of an example.
          rates: see `BuildRates`.
        """
        tokens = text_bytes / rates.bytes_per_token
        core_hours = text_bytes / rates.core_rate / 3600
        return cls(
            text_bytes=text_bytes,
            tokens=tokens,
            examples=tokens / (_TOKENS_SHARE * max_seq_length),
            record_bytes=record_bytes(max_seq_length),
            build_core_hours=core_hours,
            build_machine_hours=core_hours / rates.cores,
        )


def record_bytes(max_seq_length: int) -> int:
    """Bytes of a full record, as the builder of records writes it."""
    tokens = np.full(max_seq_length - 3, _TYPICAL_ID, np.int32)
    encoder = ExampleEncoder(_VOCABULARY_SIZE, max_seq_length, cls_id=101, sep_id=102)
    messages = encoder(tokens, as_arrays([(0, len(tokens) // 2, len(tokens))]))
    return len(frame(messages)[0])
