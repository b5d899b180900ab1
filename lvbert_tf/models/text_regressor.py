"""The task of predicting a number for a text or a pair of texts."""

import keras
import keras_hub
from keras import ops

from lvbert_tf.layers.dense import output_dense
from lvbert_tf.layers.dropout import Dropout
from lvbert_tf.models.backbone import LVBertBackbone
from lvbert_tf.models.task_parts import LEARNING_RATE, join_parts, text_vector
from lvbert_tf.models.text_classifier import LVBertTextClassifierPreprocessor


class LVBertTextRegressor(keras_hub.models.Task):
    """A regressor of texts: a backbone with a dense layer to one number on the first position's vector.

    As in the reference, the dense layer computes labels that are scaled to 0 to 1. The model scales its
    output back to `label_range`, so that `fit` takes and `predict` returns numbers in the unit of the
    labels. A prediction may lie outside the range.

    Args:
        backbone: an `LVBertBackbone`.
        label_range: the least and the greatest label.
        preprocessor: an `LVBertTextClassifierPreprocessor`. Its sequences become no longer than the
            backbone has positions. None means that the inputs are token ids.
        dropout: the dropout rate of the first position's vector.
        hidden_layer: whether a dense layer with GELU comes before the last one; see
            `LVBertTextClassifier`.
        **kwargs: arguments of `keras_hub.models.Task`.

    Inputs: those of the backbone.

    Output: float32 of shape (batch,).

    Example:

    ```python
    regressor = LVBertTextRegressor.from_preset("DATA/models/NAME/preset", label_range=(0, 5))
    regressor.fit((texts, other_texts), likenesses, batch_size=32)
    regressor.predict((["a fine film"], ["a great film"]))  # e.g. [3.9]
    ```
    """

    backbone_cls = LVBertBackbone
    preprocessor_cls = LVBertTextClassifierPreprocessor

    def __init__(
        self,
        backbone: LVBertBackbone,
        label_range: tuple[float, float] = (0.0, 1.0),
        preprocessor: LVBertTextClassifierPreprocessor | None = None,
        dropout: float = 0.1,
        hidden_layer: bool = False,
        **kwargs,
    ):
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        join_parts(self)
        self.output_dropout = Dropout(dropout, dtype="float32", name="output_dropout")
        self.hidden_dense = output_dense(backbone.hidden_dim, "hidden") if hidden_layer else None
        self.output_dense = output_dense(1, "value")

        # === Functional model ===
        low, high = map(float, label_range)
        vector = text_vector(backbone, self.output_dropout, self.hidden_dense)
        unit = ops.squeeze(self.output_dense(vector), axis=-1)
        super().__init__(inputs=backbone.input, outputs=low + (high - low) * unit, **kwargs)

        # === Config ===
        self.label_range = (low, high)
        self.dropout = dropout
        self.hidden_layer = hidden_layer

    def compile(self, optimizer="auto", loss="auto", *, metrics="auto", **kwargs):
        """As `keras.Model.compile`; "auto" means Adam, the mean squared error, and its root."""
        super().compile(
            optimizer=keras.optimizers.Adam(LEARNING_RATE) if optimizer == "auto" else optimizer,
            loss=keras.losses.MeanSquaredError() if loss == "auto" else loss,
            metrics=[keras.metrics.RootMeanSquaredError()] if metrics == "auto" else metrics,
            **kwargs,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "label_range": self.label_range,
            "dropout": self.dropout,
            "hidden_layer": self.hidden_layer,
        }
