"""A number for a text, or for a pair of texts."""

import keras
import keras_hub
from keras import ops

from lvbert_tf.layers.dense import output_dense
from lvbert_tf.layers.dropout import Dropout
from lvbert_tf.models.backbone import LVBertBackbone
from lvbert_tf.models.task_parts import LEARNING_RATE, join_parts, text_vector
from lvbert_tf.models.text_classifier import LVBertTextClassifierPreprocessor
from lvbert_tf.presets.classes import preset_class


@preset_class
class LVBertTextRegressor(keras_hub.models.Task):
    """A backbone with a dense layer to one number on the first position's dropped-out vector.

    The dense layer's 0 to 1 are `label_range`, as the reference scales its labels; outside the model
    everything is in the units of the labels, what `fit` takes and what `predict` gives. Predictions
    may lie outside the range.

    Args:
        backbone: an `LVBertBackbone`.
        label_range: the least and the greatest label.
        preprocessor: an `LVBertTextClassifierPreprocessor`, whose sequences become no longer than the
            backbone's positions; None: inputs are token ids.
        dropout: rate on the first position's vector.
        hidden_layer: see `LVBertTextClassifier`.

    Inputs: those of the backbone. Output: float32 of shape (batch,).

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
        """As `keras.Model.compile`; "auto" is Adam, the squared error and its root."""
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
