"""Signatures of models that classify or rate a text, or a pair of texts."""

from collections.abc import Callable

import tensorflow as tf

from lvbert_tf.models import LVBertTextClassifier, LVBertTextRegressor
from lvbert_tf.serving.inputs import (
    Signature,
    Tensors,
    ids_signature,
    probabilities,
    signature,
    text_inputs,
)


def classifier_signatures(model: LVBertTextClassifier) -> dict[str, Signature]:
    """Makes signatures that return `label`, string [batch], and `probabilities`, float32 [batch,
    classes].

    The classes are in the order of the model's labels.
    """
    names = tf.constant(model.labels or [str(number) for number in range(model.num_classes)])

    def predict(inputs: Tensors) -> dict[str, tf.Tensor]:
        likely = probabilities(model(inputs, training=False), model.activation)
        return {"label": tf.gather(names, tf.argmax(likely, -1)), "probabilities": likely}

    return _signatures(model, predict)


def regressor_signatures(model: LVBertTextRegressor) -> dict[str, Signature]:
    """Makes signatures that return `value`, float32 [batch], on the scale of the labels."""

    def predict(inputs: Tensors) -> dict[str, tf.Tensor]:
        return {"value": tf.cast(model(inputs, training=False), tf.float32)}

    return _signatures(model, predict)


def _signatures(
    model: LVBertTextClassifier | LVBertTextRegressor, predict: Callable[[Tensors], Tensors]
) -> dict[str, Signature]:
    preprocessor = model.preprocessor
    assert preprocessor is not None
    tokenizer, length = preprocessor.tokenizer.tokenizer, preprocessor.sequence_length
    names = ("text", "text_pair") if preprocessor.paired else ("text",)
    return {
        "serving_default": signature(
            lambda *texts: predict(text_inputs(tokenizer, texts, length)), *names
        ),
        "predict_ids": ids_signature(predict, model.backbone),
    }
