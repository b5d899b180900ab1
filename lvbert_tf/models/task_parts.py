"""Code that the models of tasks share: joining a backbone and a preprocessor, the vector of a text."""

import keras
import keras_hub
from keras import ops

from lvbert_tf.layers.dropout import Dropout
from lvbert_tf.models.backbone import LVBertBackbone

LEARNING_RATE = 5e-5  # what KerasHub compiles its tasks with


def join_parts(task: keras_hub.models.Task) -> None:
    """Fits the preprocessor of a task to its backbone, and makes the task known to the backbone.

    The preprocessor's sequences become no longer than the backbone has positions. When the backbone gets
    adapters, it resets the functions that the task has traced.

    Args:
        task: a task under construction, which has its `backbone` and its `preprocessor` (or None).
    """
    if task.preprocessor is not None:
        positions = task.backbone.max_sequence_length
        task.preprocessor.sequence_length = min(task.preprocessor.sequence_length, positions)
    task.backbone.users.add(task)


def text_vector(
    backbone: LVBertBackbone, dropout: Dropout, hidden_dense: keras.layers.Dense | None
):
    """The input of the output layer of a task on whole texts: the first position's vector, with dropout.

    Args:
        backbone: the encoder; its symbolic inputs are those of the task.
        dropout: the layer that is applied to the vector, and after the hidden layer.
        hidden_dense: the dense layer of `dropout(gelu(dense(dropout(vector))))`, which Hugging Face's
            ELECTRA has; None for no hidden layer.

    Returns:
        a symbolic tensor of shape (batch, hidden_dim).
    """
    vector = dropout(backbone(backbone.input)["pooled_output"])
    if hidden_dense is None:
        return vector
    return dropout(ops.gelu(hidden_dense(vector), approximate=False))
