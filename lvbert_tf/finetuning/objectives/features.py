"""What a model reads of a split, in memory: token ids and labels, not padded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from lvbert_tf.text import Tokenizer
from lvbert_tf.text.packing import pack

Batch = Mapping[str, tf.Tensor]
_ROWS_AT_ONCE = 1024  # of texts in the tokenizer


@dataclass(frozen=True)
class Features:
    """The inputs of a model, a row each: a text, a pair, a sentence, or a window of a context.

    Args:
      tokens: columns with a value for each token, int32 of shape [rows, (tokens)], all of the same
        lengths; `token_ids` and `segment_ids` among them. Padding is 0.
      values: columns with a value for each row, shape [rows].
    """

    tokens: Mapping[str, tf.RaggedTensor]
    values: Mapping[str, tf.Tensor]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, int64."""
        return self.tokens["token_ids"].row_lengths().numpy()

    @property
    def num_rows(self) -> int:
        """Inputs in all."""
        return len(self.lengths)

    def batch(self, rows: tf.Tensor, length: tf.Tensor | int) -> dict[str, tf.Tensor]:
        """Some rows, padded.

        Args:
          rows: indices, shape [batch].
          length: tokens to pad to, no fewer than any of these rows has.

        Returns:
          every column by name, those with tokens of shape [batch, length], and `padding_mask`, which is
          1 at real tokens.
        """
        chosen = {name: tf.gather(column, rows) for name, column in self.tokens.items()}
        shape = [rows.shape[0], length]
        batch = {name: column.to_tensor(shape=shape) for name, column in chosen.items()}
        lengths = chosen["token_ids"].row_lengths()
        mask = tf.sequence_mask(lengths, length, dtype=tf.int32)
        values = {name: tf.gather(column, rows) for name, column in self.values.items()}
        return {**batch, "padding_mask": tf.ensure_shape(mask, batch["token_ids"].shape), **values}


def text_features(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    text_pairs: Sequence[str] | None,
    max_seq_length: int,
    values: Mapping[str, tf.Tensor] | None = None,
) -> Features:
    """Tokenizes texts, or pairs of texts, in the graph.

    Args:
      texts, text_pairs: as many of each.
      max_seq_length: tokens of a row at most; the longer of two texts is cut first.
      values: further columns.
    """

    def encode(*strings):
        token_ids, segment_ids = pack(
            [tokenizer(part) for part in strings], tokenizer.vocabulary, max_seq_length
        )
        return {"token_ids": token_ids, "segment_ids": segment_ids}

    strings = (list(texts),) if text_pairs is None else (list(texts), list(text_pairs))
    return Features(token_columns(encode, strings), values or {})


def token_columns(
    encode: Callable[..., Mapping[str, tf.RaggedTensor]], strings: tuple
) -> dict[str, tf.RaggedTensor]:
    """Makes columns in the graph, many rows at once on all processors.

    Args:
      encode: from strings to columns of shape [rows, (tokens)].
      strings: its arguments, with an element for each row.
    """
    dataset = tf.data.Dataset.from_tensor_slices(strings).batch(_ROWS_AT_ONCE)
    if len(dataset) == 1:  # tracing the tokenizer takes longer than these rows: a second or two
        return dict(encode(*next(iter(dataset))))
    parts = list(dataset.map(encode, tf.data.AUTOTUNE))
    return {name: tf.concat([part[name] for part in parts], axis=0) for name in parts[0]}


def model_inputs(batch: Batch) -> dict[str, tf.Tensor]:
    """The part of a batch that a backbone reads."""
    return {name: batch[name] for name in ("token_ids", "segment_ids", "padding_mask")}
