"""The features of texts and pairs of texts, for classification and regression."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from lvbert_tf.finetuning.objectives.features import TaskFeatures, token_columns
from lvbert_tf.finetuning.task_examples import TextExample
from lvbert_tf.finetuning.tasks.bad_rows import BadRows
from lvbert_tf.finetuning.tasks.text_examples import check_pair
from lvbert_tf.models import LVBertTextClassifierPreprocessor
from lvbert_tf.text import Tokenizer
from lvbert_tf.text.packing import pack


def text_example_features(
    preprocessor: LVBertTextClassifierPreprocessor,
    examples: Sequence[TextExample],
    labels: Sequence[int | float | None],
    dtype: tf.DType,
) -> TaskFeatures:
    """Tokenizes examples as the preprocessor does.

    Args:
      preprocessor: the preprocessor of the model.
      examples: the examples.
      labels: a label for each example; None where there is none.
      dtype: the type of the column `label`, which the features have if all examples have a label.

    Raises:
      InputError: an example is a pair and the model reads single texts, or the other way round.
    """
    paired = bool(preprocessor.paired)
    whole = BadRows(advice="")
    for example in examples:
        with whole.at(example.location):
            check_pair(example, paired)
    labelled = all(label is not None for label in labels)
    return text_features(
        preprocessor.tokenizer.tokenizer,
        [example.text for example in examples],
        [example.text_pair or "" for example in examples] if paired else None,
        preprocessor.sequence_length,
        {"label": tf.constant(labels, dtype)} if labelled else None,
    )


def text_features(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    text_pairs: Sequence[str] | None,
    max_seq_length: int,
    values: Mapping[str, tf.Tensor] | None = None,
) -> TaskFeatures:
    """Tokenizes texts, or pairs of texts, in the graph.

    Args:
      tokenizer: the tokenizer of the model.
      texts: the texts.
      text_pairs: the second text for each; None for single texts.
      max_seq_length: tokens of a row at most; the longer of two texts is cut first.
      values: further columns, of shape [rows].
    """

    def encode(*strings):
        token_ids, segment_ids = pack(
            [tokenizer(part) for part in strings], tokenizer.vocabulary, max_seq_length
        )
        return {"token_ids": token_ids, "segment_ids": segment_ids}

    strings = (list(texts),) if text_pairs is None else (list(texts), list(text_pairs))
    return TaskFeatures(token_columns(encode, strings), values or {})
