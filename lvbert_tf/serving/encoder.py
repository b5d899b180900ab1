"""Signatures of an encoder without a head."""

import tensorflow as tf

from lvbert_tf.models import LVBertBackbone
from lvbert_tf.serving.inputs import (
    Signature,
    Tensors,
    ids_signature,
    signature,
    text_inputs_with_offsets,
)
from lvbert_tf.text import Tokenizer


def encoder_signatures(backbone: LVBertBackbone, tokenizer: Tokenizer) -> dict[str, Signature]:
    """`embed`: `sequence`, float32 of shape [batch, length, width], a vector for each token, and
    `pooled`, the first one's, of shape [batch, width]; with the tokens' `starts` and `ends` in
    characters and `padding_mask`."""

    def vectors(inputs: Tensors) -> dict[str, tf.Tensor]:
        outputs = backbone(inputs, training=False)
        return {
            "sequence": tf.cast(outputs["sequence_output"], tf.float32),
            "pooled": tf.cast(outputs["pooled_output"], tf.float32),
        }

    def embed(text):
        length = backbone.max_sequence_length
        inputs, places = text_inputs_with_offsets(tokenizer, text, length)
        return {**vectors(inputs), **places, "padding_mask": inputs["padding_mask"]}

    graph = signature(embed, "text")
    by_ids = ids_signature(vectors, backbone)
    return {"serving_default": graph, "embed": graph, "predict_ids": by_ids}
