"""Signatures of a model that tags words."""

import tensorflow as tf

from lvbert_tf.models import LVBertTokenTagger
from lvbert_tf.serving.inputs import Signature, Tensors, ids_signature, padded, signature, valid
from lvbert_tf.text.offsets import character_offsets
from lvbert_tf.text.sentence_words import split_words, word_offsets


def tagger_signatures(model: LVBertTokenTagger) -> dict[str, Signature]:
    """Makes the signatures of a tagger.

    Returns:
      `serving_default` returns for each word of a text its tag, in `tags`, the tag's probability, in
      `probabilities`, and the offsets of the word in characters, in `starts` and `ends`. All have the
      shape [batch, words], with "" and 0 where a text has fewer words than another one. Words are split
      as `sentence_words` says; words beyond the model's length are missing.
      `predict_ids` returns the `probabilities` of all tags of the model, [batch, length, tags].
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
            character_offsets(text, _first(offsets, chosen.row_lengths()))
            for offsets in word_offsets(text)
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
    """The first `counts[i]` values of each row i."""
    indices = tf.ragged.range(column.row_lengths())
    return tf.ragged.boolean_mask(column, indices < counts[:, tf.newaxis])
