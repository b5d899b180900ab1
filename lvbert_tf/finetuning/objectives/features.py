"""The inputs of a model for a whole split, in memory: token ids and labels, not padded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

Batch = Mapping[str, tf.Tensor]
_ROWS_AT_ONCE = 1024  # rows that the tokenizer gets at a time


@dataclass(frozen=True)
class TaskFeatures:
    """The inputs of a model. A row is a text, a pair, a sentence, or a window of a context.

    Args:
      tokens: columns with a value for each token, int32 of shape [rows, (tokens)], among them
        `token_ids` and `segment_ids`. All have the same row lengths. Padding will be 0.
      values: columns with a value for each row, of shape [rows].
    """

    tokens: Mapping[str, tf.RaggedTensor]
    values: Mapping[str, tf.Tensor]

    @cached_property
    def lengths(self) -> np.ndarray:
        """The number of tokens of each row, int64 of shape [rows]."""
        return self.tokens["token_ids"].row_lengths().numpy()

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return len(self.lengths)

    def batch(self, rows: tf.Tensor, length: tf.Tensor | int) -> dict[str, tf.Tensor]:
        """A batch of some rows, padded.

        Args:
          rows: indices of the rows, of shape [batch].
          length: tokens to pad to; no row of the batch may have more.

        Returns:
          all columns by name, those of tokens with the shape [batch, length], and `padding_mask` of
          that shape, which is 1 at real tokens.
        """
        chosen = {name: tf.gather(column, rows) for name, column in self.tokens.items()}
        shape = [rows.shape[0], length]
        batch = {name: column.to_tensor(shape=shape) for name, column in chosen.items()}
        lengths = chosen["token_ids"].row_lengths()
        mask = tf.sequence_mask(lengths, length, dtype=tf.int32)
        values = {name: tf.gather(column, rows) for name, column in self.values.items()}
        return {**batch, "padding_mask": tf.ensure_shape(mask, batch["token_ids"].shape), **values}


def token_columns(
    encode: Callable[..., Mapping[str, tf.RaggedTensor]], strings: tuple
) -> dict[str, tf.RaggedTensor]:
    """Makes columns from strings in the graph, many rows at a time and on all processors.

    Args:
      encode: makes columns of shape [rows, (tokens)] from strings.
      strings: the arguments of `encode`, each with an element for every row.
    """
    dataset = tf.data.Dataset.from_tensor_slices(strings).batch(_ROWS_AT_ONCE)
    if len(dataset) == 1:  # tracing takes a second or two, longer than these few rows
        return dict(encode(*next(iter(dataset))))
    as_it_is = tf.autograph.experimental.do_not_convert(encode)  # converting takes half a second
    parts = list(dataset.map(as_it_is, tf.data.AUTOTUNE))
    return {name: tf.concat([part[name] for part in parts], axis=0) for name in parts[0]}


def model_inputs(batch: Batch) -> dict[str, tf.Tensor]:
    """The columns of a batch that a backbone reads."""
    return {name: batch[name] for name in ("token_ids", "segment_ids", "padding_mask")}


def divided(batch: Batch, parts: int) -> list[Batch]:
    """The parts of a batch in order, each with an equal number of consecutive rows."""
    if parts == 1:
        return [batch]
    columns = {name: tf.split(column, parts) for name, column in batch.items()}
    return [{name: column[part] for name, column in columns.items()} for part in range(parts)]
