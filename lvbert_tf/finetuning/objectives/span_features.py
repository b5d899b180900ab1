"""The features of questions: windows over their contexts, and the places of the answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from lvbert_tf.finetuning.objectives.features import TaskFeatures
from lvbert_tf.finetuning.task_examples import Question
from lvbert_tf.text.windows import Windows


@dataclass(frozen=True)
class WindowFeatures(TaskFeatures):
    """Features whose rows are made only when a batch is: a context's tokens are in memory once.

    Args:
      tokens: `question_ids` and `context_ids`, with a row for each question, not for each window.
      values: columns with a value for each window.
      windows: the rows.
    """

    windows: Windows

    @cached_property
    def lengths(self) -> np.ndarray:
        """The number of tokens of each row, int64 of shape [rows]."""
        return self.windows.lengths

    def batch(self, rows: tf.Tensor, length: tf.Tensor | int) -> dict[str, tf.Tensor]:
        """A batch of some rows, padded; see `TaskFeatures.batch`."""
        values = {name: tf.gather(column, rows) for name, column in self.values.items()}
        return {**self.windows.batch(rows, length), **values}


def window_features(
    windows: Windows, examples: Sequence[Question], labelled: bool
) -> WindowFeatures:
    """Makes the features of questions.

    With labels there are three columns, int32 of shape [rows]: `start` and `end`, the positions in the
    row of the answer's first and last token, and `impossible`, 1 if the question has no answer. A
    window without the whole answer has 0, the position of [CLS], for both, and so has every window of a
    question without an answer. `impossible` belongs to the question and not to the window, as in the
    reference: the lowest score of the windows decides about the question.

    Args:
      windows: the windows over the contexts of the examples.
      examples: the questions.
      labelled: whether to make the labels.
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
