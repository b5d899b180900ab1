"""Signatures of the networks of pre-training."""

import tensorflow as tf

from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.serving.encoder import encoder_signatures
from lvbert_tf.serving.inputs import Signature, padded, signature, text_inputs_with_offsets
from lvbert_tf.text import Tokenizer
from lvbert_tf.text.packing import pack
from lvbert_tf.text.vocabulary import MASK

_NUM_CANDIDATES = 5


def pretrainer_signatures(
    pretrainer: ElectraPretrainer, tokenizer: Tokenizer
) -> dict[str, Signature]:
    """Those of the discriminator as an encoder, and `fill_mask` and `replaced_tokens` of the heads
    that the networks have."""
    signatures = encoder_signatures(pretrainer.discriminator, tokenizer)
    if pretrainer.generator is not None:
        signatures["fill_mask"] = _fill_mask(pretrainer, tokenizer)
    if pretrainer.replaced_token_head is not None:
        signatures["replaced_tokens"] = _replaced_tokens(pretrainer, tokenizer)
    return signatures


def _fill_mask(pretrainer: ElectraPretrainer, tokenizer: Tokenizer) -> Signature:
    """For every `[MASK]` of a text, in order, the likeliest `tokens` and their `probabilities`, of
    shape [batch, masks, 5]; "" and 0 where a text has fewer masks than another."""
    vocabulary = tokenizer.vocabulary
    names = tf.constant(vocabulary.tokens)
    count = min(_NUM_CANDIDATES, vocabulary.size)

    def fill(text):
        token_ids, segment_ids = pack(
            [_with_masks(tokenizer, text)], vocabulary, pretrainer.generator.max_sequence_length
        )
        # No text but [MASK] has its id.
        places = tf.ragged.range(token_ids.row_lengths())
        positions = tf.ragged.boolean_mask(places, token_ids == vocabulary.mask_id)
        inputs, dense = padded(token_ids, segment_ids), positions.to_tensor()
        if pretrainer.right_to_left_generator is None:
            logits = pretrainer.masked_lm_logits(inputs, dense, training=False)
        else:
            logits = tf.gather(pretrainer.cloze_logits(inputs, training=False), dense, batch_dims=1)
        # A model's table may be larger than its vocabulary; the rest stands for no token.
        likely = tf.nn.softmax(tf.cast(logits, tf.float32))[..., : vocabulary.size]
        best, ids = tf.math.top_k(likely, count)
        is_mask = tf.sequence_mask(positions.row_lengths(), tf.shape(dense)[1])[..., tf.newaxis]
        return {
            "tokens": tf.where(is_mask, tf.gather(names, ids), ""),
            "probabilities": tf.where(is_mask, best, 0.0),
        }

    return signature(fill, "text")


def _with_masks(tokenizer: Tokenizer, text: tf.Tensor) -> tf.RaggedTensor:
    """The ids of texts with that of [MASK] where they have it, int32 of shape [batch, (tokens)]."""
    parts = tokenizer(tf.strings.split(text, MASK))
    masks = tf.fill([tf.size(parts.values.row_lengths()), 1], tokenizer.vocabulary.mask_id)
    joined = parts.with_values(tf.concat([masks, parts.values], axis=1)).merge_dims(1, 2)
    return joined[:, 1:]  # none before the first part


def _replaced_tokens(pretrainer: ElectraPretrainer, tokenizer: Tokenizer) -> Signature:
    """For every token the probability that it was replaced, `probabilities` of shape [batch,
    length], and where it stands, `starts` and `ends` in characters; 0 of special tokens and padding."""

    def judge(text):
        length = pretrainer.discriminator.max_sequence_length
        inputs, places = text_inputs_with_offsets(tokenizer, text, length)
        logits = pretrainer.replaced_token_logits(inputs, training=False)
        is_text = places["ends"] > places["starts"]
        return {"probabilities": tf.where(is_text, tf.sigmoid(logits), 0.0), **places}

    return signature(judge, "text")
