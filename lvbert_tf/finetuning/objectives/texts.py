"""What classification and regression share: rows of one text or two, and one label."""

from collections.abc import Sequence

import tensorflow as tf

from lvbert_tf.finetuning.examples import TextExample
from lvbert_tf.finetuning.objectives.features import Features, text_features
from lvbert_tf.finetuning.tasks.bad_rows import BadRows
from lvbert_tf.finetuning.tasks.text_examples import check_pair
from lvbert_tf.models import LVBertTextClassifierPreprocessor


def text_example_features(
    preprocessor: LVBertTextClassifierPreprocessor,
    examples: Sequence[TextExample],
    labels: Sequence[int | float | None],
    dtype: tf.DType,
) -> Features:
    """Tokenizes examples as the preprocessor would.

    Args:
      labels: one for each example; the column `label` of that dtype, if the examples have any.

    Raises:
      InputError: an example is a pair and the model reads single texts, or the other way round.
    """
    paired = bool(preprocessor.paired)
    whole = BadRows(advice="")
    for example in examples:
        with whole.at(example.source):
            check_pair(example, paired)
    labelled = all(label is not None for label in labels)
    return text_features(
        preprocessor.tokenizer.tokenizer,
        [example.text for example in examples],
        [example.text_pair or "" for example in examples] if paired else None,
        preprocessor.sequence_length,
        {"label": tf.constant(labels, dtype)} if labelled else None,
    )
