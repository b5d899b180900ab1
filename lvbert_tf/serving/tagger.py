"""Signatures of a model that tags words."""

import tensorflow as tf

from lvbert_tf.models import LVBertTokenTagger
from lvbert_tf.serving.inputs import Signature, Tensors, ids_signature, padded, signature, valid
from lvbert_tf.text.offsets import character_offsets
from lvbert_tf.text.sentence_words import split_words, word_offsets


def tagger_signatures(model: LVBertTokenTagger) -> dict[str, Signature]:
    """For every word `tags`, their `probabilities`, and where it stands, `starts` and `ends` in
    characters, all of shape [batch, words]; "" and 0 where a text has fewer words than another.

    `sentence_words` tells what a word is. Those beyond the model's length have no tag, and are missing.
    `predict_ids` gives the `probabilities` of all tags that the model tells apart, of shape [batch,
    length, tags].
    """
    preprocessor, names = model.preprocessor, tf.constant(model.written_tags)
    assert preprocessor is not None

    def likely_tags(inputs: Tensors) -> dict[str, tf.Tensor]:
        logits = model(inputs, training=False)
        return {"probabilities": tf.nn.softmax(tf.cast(logits, tf.float32))}

    def tag(text):
        text = valid(text)
        columns = preprocessor.encode(split_words(text))
        inputs = padded(columns["token_ids"], columns["segment_ids"])
        likely = likely_tags(inputs)["probabilities"]
        begins = columns["word_starts"].to_tensor() != 0
        chosen = tf.ragged.boolean_mask(tf.argmax(likely, -1), begins)
        best = tf.ragged.boolean_mask(tf.reduce_max(likely, -1), begins)
        starts, ends = (
            character_offsets(text, _first(places, chosen.row_lengths()))
            for places in word_offsets(text)
        )
        return {
            "tags": chosen.with_values(tf.gather(names, chosen.values)).to_tensor(),
            "probabilities": best.to_tensor(),
            "starts": starts.to_tensor(),
            "ends": ends.to_tensor(),
        }

    return {
        "serving_default": signature(tag, "text"),
        "predict_ids": ids_signature(likely_tags, model.backbone),
    }


def _first(column: tf.RaggedTensor, counts: tf.Tensor) -> tf.RaggedTensor:
    """The first values of each row, as many as `counts` has for it."""
    places = tf.ragged.range(column.row_lengths())
    return tf.ragged.boolean_mask(column, places < counts[:, tf.newaxis])
