"""What the models of tasks share."""

import keras
import keras_hub
from keras import ops

from lvbert_tf.layers.dropout import Dropout
from lvbert_tf.models.backbone import LVBertBackbone

LEARNING_RATE = 5e-5  # of KerasHub's tasks, unless they are compiled otherwise


def limit_length(preprocessor: keras_hub.models.Preprocessor | None, backbone: LVBertBackbone):
    """Makes a preprocessor's sequences no longer than the backbone's positions."""
    if preprocessor is not None:
        positions = backbone.max_sequence_length
        preprocessor.sequence_length = min(preprocessor.sequence_length, positions)


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


def output_layer(units: int, name: str, activation=None) -> keras.layers.Dense:
    """The last layer, in float32. The reference leaves it at TensorFlow's initialiser, Glorot."""
    return keras.layers.Dense(units, activation=activation, dtype="float32", name=name)
