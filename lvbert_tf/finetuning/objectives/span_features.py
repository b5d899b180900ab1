"""What a model reads of questions: windows over their contexts, and where the answers are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.examples import Question
from lvbert_tf.finetuning.objectives.features import Features
from lvbert_tf.text.windows import Windows


@dataclass(frozen=True)
class WindowFeatures(Features):
    """Rows that are put together when a batch is made; a text's tokens are in memory once.

    Args:
      tokens: `question_ids` and `context_ids`, of questions and contexts, not of rows.
      values: as for any features.
      windows: the rows.
    """

    windows: Windows

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, int64."""
        return self.windows.lengths

    def batch(self, rows: tf.Tensor, length: tf.Tensor | int) -> dict[str, tf.Tensor]:
        """Some rows, padded; see `Features.batch`."""
        values = {name: tf.gather(column, rows) for name, column in self.values.items()}
        return {**self.windows.batch(rows, length), **values}


def window_features(
    windows: Windows, examples: Sequence[Question], labelled: bool
) -> WindowFeatures:
    """Makes the features of questions.

    Args:
      windows: over the contexts of the examples.
      labelled: whether to have `start` and `end`, the positions in each row of the first and the
        last token of the answer to train on, and `impossible`, 1 if the question has no answer;
        int32 of shape [rows].

    A window that does not have the whole answer has 0 for both positions, [CLS], and so has every
    window of a question without an answer. `impossible` is of the question, not of the window, as in
    the reference: the lowest score of the windows decides on the question.
    """
    values = _labels(windows, examples) if labelled else {}
    tokens = {"question_ids": windows.question_ids, "context_ids": windows.context_ids}
    return WindowFeatures(tokens, values, windows)


def _labels(windows: Windows, examples: Sequence[Question]) -> dict[str, tf.Tensor]:
    spans = np.full((len(examples), 2), -1)
    for index, example in enumerate(examples):
        if example.spans:
            answer = example.spans[0]
            span = windows.token_span(index, answer.start, answer.end)
            spans[index] = span or (-1, -1)
    question, start = windows.question.numpy(), windows.start.numpy()
    first, last = spans[question].T
    inside = (first >= start) & (last < start + windows.length.numpy())
    offset = windows.first_positions - start
    impossible = np.array([example.impossible for example in examples])
    return {
        "start": tf.constant(np.where(inside, first + offset, 0), tf.int32),
        "end": tf.constant(np.where(inside, last + offset, 0), tf.int32),
        "impossible": tf.constant(impossible[question], tf.int32),
    }
