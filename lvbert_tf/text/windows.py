"""Questions with windows over their contexts: `[CLS] question [SEP] window [SEP]`."""

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
_TEXTS_AT_ONCE = 256  # in the tokenizer


@dataclass(frozen=True)
class WindowSizes:
    """How contexts are divided, in tokens.

    Args:
      sequence_length: of a row at most, with the question and the special tokens.
      max_query_length: of a question at most; what is longer is cut.
      doc_stride: from the start of a window to that of the next one.

    Raises:
      InputError: a long question would leave no token to a window.
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
        """After how many windows at most one begins that no longer overlaps the first, less one."""
        return (self.sequence_length - _SPECIAL_TOKENS - 1) // self.doc_stride


@dataclass(frozen=True)
class Windows:
    """Questions, each with one row or several; the tokens of a text are kept once.

    Args:
      question_ids: `[CLS] question [SEP]`, int32 of shape [questions, (tokens)].
      context_ids: the different contexts, each followed by [SEP], int32 of shape [contexts, (tokens)].
      token_starts, token_ends: the characters of the context that each token covers, of the same
        shape; 0 of [SEP].
      context: index of the context of each question, int32 of shape [questions].
      question: index of the question of each row, rising, int32 of shape [rows].
      start: first token of each row's window in the context, int32 of shape [rows].
      length: tokens of each row's window, int32 of shape [rows].
      sizes: how contexts were divided.
      sep_id: that of [SEP].
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
        """Where each row's window begins in the row, int64 of shape [rows]."""
        return self.question_ids.row_lengths().numpy()[self.question.numpy()]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, int64."""
        return self.first_positions + self.length.numpy() + 1

    def batch(self, rows: tf.Tensor, length: tf.Tensor | int) -> dict[str, tf.Tensor]:
        """Some rows as inputs of a backbone, padded with 0.

        Args:
          rows: indices, shape [batch].
          length: tokens to pad to, no fewer than any of these rows has.

        Returns:
          `token_ids`, `segment_ids` (1 in the window and its [SEP]) and `padding_mask` (1 at real
          tokens), int32 of shape [batch, length].
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
        place = tf.minimum(tf.maximum(position, first), last) - first
        context_ids = _gather(self.context_ids, context, start + place)
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
        """The first and the last token that some characters have a part in.

        Args:
          question: index.
          start, end: characters of its context, `context[start:end]`.

        Returns:
          places in the context; None if no token stands for any of these characters.
        """
        row = int(self._contexts[question])
        tokens = slice(self._splits[row], self._splits[row + 1] - 1)
        first = int(np.searchsorted(self._ends[tokens], start, side="right"))
        last = int(np.searchsorted(self._starts[tokens], end, side="left")) - 1
        return (first, last) if first <= last else None

    def characters(
        self, question: np.ndarray, first: np.ndarray, last: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The characters from one token to another: start and end in the context.

        Args:
          question: indices, shape [n].
          first, last: places of tokens in their contexts, shape [n].
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


def _gather(column: tf.RaggedTensor, row: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """`column[row[i], place[i, j]]` at [i, j]."""
    begin = tf.gather(column.row_splits, row)[:, tf.newaxis]
    return tf.gather(column.values, begin + tf.cast(place, begin.dtype))


def make_windows(
    tokenizer: Tokenizer, questions: Sequence[str], contexts: Sequence[str], sizes: WindowSizes
) -> Windows:
    """Tokenizes questions and contexts, and divides the contexts into windows.

    Windows of one context overlap unless the stride is as long as they are; the last one ends where
    the context ends. A context without tokens has one empty window.

    Args:
      questions: at least one.
      contexts: one for each question; equal ones are tokenized once.
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
    """`[CLS] question [SEP]`, int32 of shape [batch, (tokens)], for strings of shape [batch]."""
    vocabulary = tokenizer.vocabulary
    ids = tokenizer(questions)[:, :max_query_length]
    return _between(ids, vocabulary.cls_id, vocabulary.sep_id)


def encode_contexts(tokenizer: Tokenizer, contexts) -> tuple[tf.RaggedTensor, ...]:
    """`context_ids`, `token_starts` and `token_ends` of `Windows`, for strings of shape [batch]."""
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
    """What `encode` makes of strings [batch], several ragged tensors, for all texts."""
    batches = [
        list(texts[start : start + _TEXTS_AT_ONCE])
        for start in range(0, len(texts), _TEXTS_AT_ONCE)
    ]
    # Threads rather than tf.data, whose graph takes a second to build: long for a single question.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        columns = zip(*pool.map(encode, batches), strict=True)
    return [tf.concat(parts, axis=0) for parts in columns]


def _between(column: tf.RaggedTensor, first: int | None, last: int) -> tf.RaggedTensor:
    """Adds a value before (unless None) and one after each row."""

    def all_rows(value):
        return tf.fill([column.nrows(), 1], value)

    before = [] if first is None else [all_rows(first)]
    return tf.concat([*before, column, all_rows(last)], axis=1)
