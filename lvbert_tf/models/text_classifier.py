"""The task of classifying a text or a pair of texts, and its preprocessor."""

from collections.abc import Sequence

import keras
import keras_hub

from lvbert_tf.errors import InputError
from lvbert_tf.layers.dense import output_dense
from lvbert_tf.layers.dropout import Dropout
from lvbert_tf.models.backbone import LVBertBackbone
from lvbert_tf.models.lv_bert_tokenizer import LVBertTokenizer
from lvbert_tf.models.task_parts import join_parts, text_vector


class LVBertTextClassifierPreprocessor(keras_hub.models.TextClassifierPreprocessor):
    """Makes the inputs of a backbone from texts or pairs of texts: `[CLS] a [SEP] b [SEP]`.

    Args:
        tokenizer: an `LVBertTokenizer`.
        sequence_length: the length of an input in tokens. Texts that are too long are cut, the longer
            one of a pair first.
        paired: whether the model reads pairs of texts. An exported model then asks for two texts.
            None means that the first data it is trained on decides.
        **kwargs: arguments of `keras_hub.models.TextClassifierPreprocessor`.

    Call arguments:
        x: strings of shape (batch,), or a tuple of two such arguments for pairs of texts.
        y, sample_weight: returned as they are.

    Raises:
        InputError: a call has pairs where the model reads single texts, single texts where it reads
            pairs, or more than two texts for each input.
    """

    backbone_cls = LVBertBackbone
    tokenizer_cls = LVBertTokenizer

    def __init__(
        self,
        tokenizer: LVBertTokenizer,
        sequence_length: int = 512,
        paired: bool | None = None,
        **kwargs,
    ):
        super().__init__(tokenizer, sequence_length, **kwargs)
        self.paired = paired

    def call(self, x, y=None, sample_weight=None):
        count = len(x) if isinstance(x, tuple) else 1
        if count > 2:
            raise InputError(f"expected texts or pairs of texts, got {count} texts for each input")
        is_pair = count == 2
        if self.paired is None and y is not None:
            self.paired = is_pair
        if self.paired not in (None, is_pair):
            reads, got = ("pairs", "single texts") if self.paired else ("single texts", "pairs")
            raise InputError(
                f"the model reads {reads}, got {got}; its preprocessor's `paired` is {self.paired}"
            )
        return super().call(x, y, sample_weight)

    def get_config(self):
        return {**super().get_config(), "paired": self.paired}


class LVBertTextClassifier(keras_hub.models.TextClassifier):
    """A classifier of texts: a backbone with a dense layer on the vector of the first position.

    The head is that of ELECTRA (Clark et al., 2020, section 3.2): dropout, then the dense layer, without
    a pooler. Models that were fine-tuned with Hugging Face's ELECTRA have a hidden layer in between.

    Args:
        backbone: an `LVBertBackbone`.
        num_classes: the number of classes.
        preprocessor: an `LVBertTextClassifierPreprocessor`. Its sequences become no longer than the
            backbone has positions. None means that the inputs are token ids.
        activation: the activation of the outputs; None means that they are logits.
        dropout: the dropout rate of the first position's vector.
        labels: the names of the classes in the order of the logits. They are kept for the users of the
            model; the model itself does not need them.
        hidden_layer: whether a dense layer with GELU, and dropout again, come before the last layer.
        **kwargs: arguments of `keras_hub.models.TextClassifier`.

    Inputs: those of the backbone.

    Output: float32 of shape (batch, num_classes).

    Example:

    ```python
    classifier = LVBertTextClassifier.from_preset("DATA/models/NAME/preset", num_classes=2)
    classifier.fit(texts, labels, batch_size=32)
    classifier.predict(["a fine film"])
    ```
    """

    backbone_cls = LVBertBackbone
    preprocessor_cls = LVBertTextClassifierPreprocessor

    def __init__(
        self,
        backbone: LVBertBackbone,
        num_classes: int,
        preprocessor: LVBertTextClassifierPreprocessor | None = None,
        activation=None,
        dropout: float = 0.1,
        labels: Sequence[str] | None = None,
        hidden_layer: bool = False,
        **kwargs,
    ):
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        join_parts(self)
        self.output_dropout = Dropout(dropout, dtype="float32", name="output_dropout")
        self.hidden_dense = output_dense(backbone.hidden_dim, "hidden") if hidden_layer else None
        self.output_dense = output_dense(num_classes, "logits", activation=activation)

        # === Functional model ===
        vector = text_vector(backbone, self.output_dropout, self.hidden_dense)
        super().__init__(inputs=backbone.input, outputs=self.output_dense(vector), **kwargs)

        # === Config ===
        self.num_classes = num_classes
        self.activation = keras.activations.get(activation)
        self.dropout = dropout
        self.labels = None if labels is None else tuple(labels)
        self.hidden_layer = hidden_layer

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "labels": self.labels,
            "hidden_layer": self.hidden_layer,
        }
