"""Divides the contexts of questions into windows: `[CLS] question [SEP] window [SEP]`."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.text.offsets import character_offsets
from lvbert_tf.text.tokenizer import Tokenizer

_SPECIAL_TOKENS = 3
_TEXTS_AT_ONCE = 256  # in a call of the tokenizer


@dataclass(frozen=True)
class WindowSizes:
    """How contexts are divided. All values are numbers of tokens.

    Args:
      sequence_length: the most tokens of a row, with the question and the special tokens.
      max_query_length: the most tokens of a question; the rest is cut off.
      doc_stride: the distance from the start of a window to the start of the next one.

    Raises:
      InputError: there would be no room for a window after the longest question.
    """

    sequence_length: int
    max_query_length: int
    doc_stride: int

    def __post_init__(self):
        most = self.sequence_length - _SPECIAL_TOKENS - 1
        if self.max_query_length > most:
            raise InputError(
                f"max_query_length {self.max_query_length} leaves no room for the context in"
                f" {self.sequence_length} tokens; it may be {most} at most"
            )

    @property
    def most_overlapping(self) -> int:
        """The most windows after a window that may overlap it."""
        return (self.sequence_length - _SPECIAL_TOKENS - 1) // self.doc_stride


@dataclass(frozen=True)
class Windows:
    """Questions and their contexts, divided into windows. Each window is one row of input.

    The tokens of a context are stored once, however many windows and questions it has.

    Args:
      question_ids: `[CLS] question [SEP]`, ragged int32 [questions, tokens].
      context_ids: the distinct contexts, each followed by [SEP], ragged int32 [contexts, tokens].
      token_starts: the offset of each token's first character in its context, ragged int32 [contexts,
        tokens]; 0 for [SEP].
      token_ends: the offset after each token's last character, in the same shape; 0 for [SEP].
      context: the index of each question's context, int32 [questions].
      question: the index of each row's question, ascending, int32 [rows].
      start: the index, in the context, of the first token of each row's window, int32 [rows].
      length: the number of tokens of each row's window, int32 [rows].
      sizes: how the contexts were divided.
      sep_id: the id of [SEP].
    """

    question_ids: tf.RaggedTensor
    context_ids: tf.RaggedTensor
    token_starts: tf.RaggedTensor
    token_ends: tf.RaggedTensor
    context: tf.Tensor
    question: tf.Tensor
    start: tf.Tensor
    length: tf.Tensor
    sizes: WindowSizes
    sep_id: int

    @cached_property
    def first_positions(self) -> np.ndarray:
        """The position of the window's first token in each row, int64 [rows]."""
        return self.question_ids.row_lengths().numpy()[self.question.numpy()]

    @cached_property
    def lengths(self) -> np.ndarray:
        """The number of tokens of each row, int64 [rows]."""
        return self.first_positions + self.length.numpy() + 1

    def batch(self, rows: tf.Tensor, length: tf.Tensor | int) -> dict[str, tf.Tensor]:
        """Makes the inputs of a backbone from some rows.

        Args:
          rows: the indices of the rows, int [batch].
          length: the number of tokens to pad to with 0; no row may be longer.

        Returns:
          `token_ids`, `segment_ids` (1 in the window and at its [SEP]) and `padding_mask` (1 at real
          tokens), each int32 [batch, length].
        """
        question = tf.gather(self.question, rows)
        context = tf.gather(self.context, question)
        position = tf.range(length, dtype=tf.int32)[tf.newaxis]
        splits = self.question_ids.row_splits
        first = tf.gather(splits, question + 1) - tf.gather(splits, question)
        first = tf.cast(first, tf.int32)[:, tf.newaxis]
        last = first + tf.gather(self.length, rows)[:, tf.newaxis]
        start = tf.gather(self.start, rows)[:, tf.newaxis]
        question_ids = _gather(self.question_ids, question, tf.minimum(position, first - 1))
        index = tf.minimum(tf.maximum(position, first), last) - first
        context_ids = _gather(self.context_ids, context, start + index)
        ids = tf.where(position < first, question_ids, context_ids)
        ids = tf.where(position == last, self.sep_id, ids)
        real = tf.cast(position <= last, tf.int32)
        batch = {
            "token_ids": ids * real,
            "segment_ids": tf.cast(position >= first, tf.int32) * real,
            "padding_mask": real,
        }
        shape = [rows.shape[0], length if isinstance(length, int) else None]
        return {name: tf.ensure_shape(column, shape) for name, column in batch.items()}

    def token_span(self, question: int, start: int, end: int) -> tuple[int, int] | None:
        """Finds the first and the last token of the context that overlap `context[start:end]`.

        Args:
          question: the index of the question.
          start: the offset of the first character in the context.
          end: the offset after the last character.

        Returns:
          The indices of both tokens in the context; None if no token has any of these characters.
        """
        row = int(self._contexts[question])
        tokens = slice(self._splits[row], self._splits[row + 1] - 1)
        first = int(np.searchsorted(self._ends[tokens], start, side="right"))
        last = int(np.searchsorted(self._starts[tokens], end, side="left")) - 1
        return (first, last) if first <= last else None

    def characters(
        self, question: np.ndarray, first: np.ndarray, last: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The offsets of the text from one token of a context to another one.

        Args:
          question: the indices of the questions, int [n].
          first: the indices of the first tokens in their contexts, int [n].
          last: the indices of the last tokens in their contexts, int [n].

        Returns:
          (starts, ends): the text is `context[start:end]`, int [n].
        """
        begin = self._splits[self._contexts[question]]
        return self._starts[begin + first], self._ends[begin + last]

    @cached_property
    def _contexts(self) -> np.ndarray:
        return self.context.numpy()

    @cached_property
    def _splits(self) -> np.ndarray:
        return self.context_ids.row_splits.numpy()

    @cached_property
    def _starts(self) -> np.ndarray:
        return self.token_starts.values.numpy()

    @cached_property
    def _ends(self) -> np.ndarray:
        return self.token_ends.values.numpy()


def _gather(column: tf.RaggedTensor, row: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """`column[row[i], index[i, j]]` at [i, j]."""
    begin = tf.gather(column.row_splits, row)[:, tf.newaxis]
    return tf.gather(column.values, begin + tf.cast(index, begin.dtype))


def make_windows(
    tokenizer: Tokenizer, questions: Sequence[str], contexts: Sequence[str], sizes: WindowSizes
) -> Windows:
    """Tokenizes questions and contexts, and divides the contexts into windows.

    Windows of one context overlap, unless the stride is the length of a window. The last window ends
    where the context ends. A context without tokens has one empty window.

    Args:
      tokenizer: the tokenizer of both.
      questions: the questions, at least one.
      contexts: the context of each question. Equal contexts are tokenized once.
      sizes: how the contexts are divided.
    """
    different = {context: index for index, context in enumerate(dict.fromkeys(contexts))}
    context = tf.constant([different[text] for text in contexts], tf.int32)
    (question_ids,) = _map_texts(
        lambda texts: (encode_questions(tokenizer, texts, sizes.max_query_length),), questions
    )
    context_ids, starts, ends = _map_texts(
        lambda texts: encode_contexts(tokenizer, texts), list(different)
    )
    sep_id = tokenizer.vocabulary.sep_id
    return divide(question_ids, context_ids, starts, ends, context, sizes, sep_id)


def encode_questions(tokenizer: Tokenizer, questions, max_query_length: int) -> tf.RaggedTensor:
    """`[CLS] question [SEP]`, ragged int32 [batch, tokens], of strings [batch]."""
    vocabulary = tokenizer.vocabulary
    ids = tokenizer(questions)[:, :max_query_length]
    return _between(ids, vocabulary.cls_id, vocabulary.sep_id)


def encode_contexts(tokenizer: Tokenizer, contexts) -> tuple[tf.RaggedTensor, ...]:
    """`context_ids`, `token_starts` and `token_ends` of `Windows`, of strings [batch]."""
    ids, starts, ends = tokenizer.tokenize_with_offsets(contexts)
    starts, ends = character_offsets(contexts, starts), character_offsets(contexts, ends)
    sep_id = tokenizer.vocabulary.sep_id
    return _between(ids, None, sep_id), _between(starts, None, 0), _between(ends, None, 0)


def divide(
    question_ids: tf.RaggedTensor,
    context_ids: tf.RaggedTensor,
    token_starts: tf.RaggedTensor,
    token_ends: tf.RaggedTensor,
    context: tf.Tensor,
    sizes: WindowSizes,
    sep_id: int,
) -> Windows:
    """Divides contexts into windows, eagerly or in a graph. For the arguments see `Windows`."""
    tokens = tf.gather(tf.cast(context_ids.row_lengths(), tf.int32), context) - 1
    room = sizes.sequence_length - tf.cast(question_ids.row_lengths(), tf.int32) - 1
    step = tf.minimum(room, sizes.doc_stride)
    count = 1 + -(-tf.maximum(tokens - room, 0) // step)
    question = tf.repeat(tf.range(tf.size(count)), count)
    index = tf.range(tf.size(question)) - tf.gather(tf.cumsum(count, exclusive=True), question)
    start = index * tf.gather(step, question)
    length = tf.minimum(tf.gather(room, question), tf.gather(tokens, question) - start)
    return Windows(
        question_ids=question_ids,
        context_ids=context_ids,
        token_starts=token_starts,
        token_ends=token_ends,
        context=context,
        question=question,
        start=start,
        length=length,
        sizes=sizes,
        sep_id=sep_id,
    )


def _map_texts(encode, texts: Sequence[str]) -> list[tf.RaggedTensor]:
    """Applies `encode`, which makes ragged tensors of strings [batch], to any number of texts."""
    batches = [
        list(texts[start : start + _TEXTS_AT_ONCE])
        for start in range(0, len(texts), _TEXTS_AT_ONCE)
    ]
    # Threads and not tf.data, whose graph takes a second to build, which is long for one question.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        columns = zip(*pool.map(encode, batches), strict=True)
    return [tf.concat(parts, axis=0) for parts in columns]


def _between(column: tf.RaggedTensor, first: int | None, last: int) -> tf.RaggedTensor:
    """Adds a value before each row, unless it is None, and one after each row."""

    def all_rows(value):
        return tf.fill([column.nrows(), 1], value)

    before = [] if first is None else [all_rows(first)]
    return tf.concat([*before, column, all_rows(last)], axis=1)
