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
    """Makes the signatures of an encoder.

    Returns:
      `embed`, which is also the default, returns for strings [batch]: `sequence`, a vector for each
      token, float32 [batch, length, width]; `pooled`, the vector of the first token, [batch, width];
      `starts` and `ends`, the offsets of the tokens in characters, and `padding_mask`, int32 [batch,
      length]. `predict_ids` returns `sequence` and `pooled` for token ids.
    """

    def vectors(inputs: Tensors) -> dict[str, tf.Tensor]:
        outputs = backbone(inputs, training=False)
        return {
            "sequence": tf.cast(outputs["sequence_output"], tf.float32),
            "pooled": tf.cast(outputs["pooled_output"], tf.float32),
        }

    def embed(text):
        length = backbone.max_sequence_length
        inputs, offsets = text_inputs_with_offsets(tokenizer, text, length)
        return {**vectors(inputs), **offsets, "padding_mask": inputs["padding_mask"]}

    graph = signature(embed, "text")
    by_ids = ids_signature(vectors, backbone)
    return {"serving_default": graph, "embed": graph, "predict_ids": by_ids}
