"""What the models of tasks share."""

import keras
import keras_hub
from keras import ops

from lvbert_tf.layers.dropout import Dropout
from lvbert_tf.models.backbone import LVBertBackbone

LEARNING_RATE = 5e-5  # of KerasHub's tasks, unless they are compiled otherwise


def join_parts(task: keras_hub.models.Task) -> None:
    """Makes the preprocessor and the backbone of a task that is being made fit together.

    Sequences become no longer than the backbone's positions, and the task follows when the backbone
    gets adapters.
    """
    if task.preprocessor is not None:
        positions = task.backbone.max_sequence_length
        task.preprocessor.sequence_length = min(task.preprocessor.sequence_length, positions)
    task.backbone.users.add(task)


def text_vector(
    backbone: LVBertBackbone, dropout: Dropout, hidden_dense: keras.layers.Dense | None
):
    """The first position's vector, dropped out: what a text's output layer reads.

    With a hidden layer, as Hugging Face's ELECTRA has one, it is `dropout(gelu(dense(vector)))`.
    """
    vector = dropout(backbone(backbone.input)["pooled_output"])
    if hidden_dense is None:
        return vector
    return dropout(ops.gelu(hidden_dense(vector), approximate=False))
