"""Signatures of the networks of pre-training."""

import tensorflow as tf

from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.serving.encoder import encoder_signatures
from lvbert_tf.serving.inputs import (
    Signature,
    Tensors,
    ids_signature,
    padded,
    signature,
    text_inputs_with_offsets,
)
from lvbert_tf.text import Tokenizer
from lvbert_tf.text.packing import pack
from lvbert_tf.text.vocabulary import MASK

_NUM_CANDIDATES = 5


def pretrainer_signatures(
    pretrainer: ElectraPretrainer, tokenizer: Tokenizer
) -> dict[str, Signature]:
    """Those of the discriminator as an encoder; and of the heads that the networks have `fill_mask` and
    `replaced_tokens`, and the same for token ids, `fill_mask_ids` and `replaced_tokens_ids`."""
    signatures = encoder_signatures(pretrainer.discriminator, tokenizer)
    if pretrainer.generator is not None:
        signatures["fill_mask"] = _fill_mask(pretrainer, tokenizer)
        signatures["fill_mask_ids"] = _fill_mask_ids(pretrainer, tokenizer)
    if pretrainer.replaced_token_head is not None:
        signatures["replaced_tokens"] = _replaced_tokens(pretrainer, tokenizer)
        signatures["replaced_tokens_ids"] = _replaced_tokens_ids(pretrainer)
    return signatures


def _fill_mask(pretrainer: ElectraPretrainer, tokenizer: Tokenizer) -> Signature:
    """For every `[MASK]` of a text, in order, the likeliest `tokens` and their `probabilities`, of
    shape [batch, masks, 5]; "" and 0 where a text has fewer masks than another."""
    vocabulary = tokenizer.vocabulary
    names = tf.constant(vocabulary.tokens)

    def fill(text):
        token_ids, segment_ids = pack(
            [_with_masks(tokenizer, text)], vocabulary, pretrainer.generator.max_sequence_length
        )
        # No text but [MASK] has its id.
        places = tf.ragged.range(token_ids.row_lengths())
        positions = tf.ragged.boolean_mask(places, token_ids == vocabulary.mask_id)
        inputs, dense = padded(token_ids, segment_ids), positions.to_tensor()
        best, ids = _candidates(pretrainer, inputs, dense, vocabulary.size)
        is_mask = tf.sequence_mask(positions.row_lengths(), tf.shape(dense)[1])[..., tf.newaxis]
        return {
            "tokens": tf.where(is_mask, tf.gather(names, ids), ""),
            "probabilities": tf.where(is_mask, best, 0.0),
        }

    return signature(fill, "text")


def _fill_mask_ids(pretrainer: ElectraPretrainer, tokenizer: Tokenizer) -> Signature:
    """For every position the ids of the likeliest tokens, `candidates`, and their `probabilities`, of
    shape [batch, length, 5]. They answer something where `token_ids` has that of [MASK]."""

    def fill(inputs: Tensors) -> dict[str, tf.Tensor]:
        shape = tf.shape(inputs["token_ids"])
        everywhere = tf.broadcast_to(tf.range(shape[1]), shape)
        best, ids = _candidates(pretrainer, inputs, everywhere, tokenizer.vocabulary.size)
        return {"candidates": ids, "probabilities": best}

    return ids_signature(fill, pretrainer.discriminator)  # which has the same tables


def _candidates(
    pretrainer: ElectraPretrainer, inputs: Tensors, positions: tf.Tensor, vocabulary_size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The probabilities and ids of the likeliest tokens at positions, [batch, positions, 5]."""
    if pretrainer.right_to_left_generator is None:
        logits = pretrainer.masked_lm_logits(inputs, positions, training=False)
    else:
        logits = pretrainer.cloze_logits(inputs, training=False)
        logits = tf.gather(logits, positions, batch_dims=1)
    # A model's table may be larger than its vocabulary; the rest stands for no token.
    likely = tf.nn.softmax(tf.cast(logits, tf.float32))[..., :vocabulary_size]
    return tf.math.top_k(likely, min(_NUM_CANDIDATES, vocabulary_size))


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


def _replaced_tokens_ids(pretrainer: ElectraPretrainer) -> Signature:
    """For every position the probability that its token was replaced, `probabilities` of shape [batch,
    length]; those of special tokens and padding mean nothing."""

    def judge(inputs: Tensors) -> dict[str, tf.Tensor]:
        logits = pretrainer.replaced_token_logits(inputs, training=False)
        return {"probabilities": tf.sigmoid(logits)}

    return ids_signature(judge, pretrainer.discriminator)
