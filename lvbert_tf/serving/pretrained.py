"""Signatures of the networks of a pre-training run."""

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
    """Makes the signatures of a pre-training run.

    They are those of the discriminator as an encoder; `fill_mask` and `fill_mask_ids` if there is a
    generator; and `replaced_tokens` and `replaced_tokens_ids` if there is a head for replaced tokens.
    """
    signatures = encoder_signatures(pretrainer.discriminator, tokenizer)
    if pretrainer.generator is not None:
        signatures["fill_mask"] = _fill_mask(pretrainer, tokenizer)
        signatures["fill_mask_ids"] = _fill_mask_ids(pretrainer, tokenizer)
    if pretrainer.replaced_token_head is not None:
        signatures["replaced_tokens"] = _replaced_tokens(pretrainer, tokenizer)
        signatures["replaced_tokens_ids"] = _replaced_tokens_ids(pretrainer)
    return signatures


def _fill_mask(pretrainer: ElectraPretrainer, tokenizer: Tokenizer) -> Signature:
    """Returns for each [MASK] of a text, in order, the five likeliest tokens.

    The outputs are `tokens` and `probabilities`, [batch, masks, 5], with "" and 0 where a text has fewer
    masks than another one.
    """
    vocabulary = tokenizer.vocabulary
    names = tf.constant(vocabulary.tokens)

    def fill(text):
        token_ids, segment_ids = pack(
            [_with_masks(tokenizer, text)], vocabulary, pretrainer.generator.max_sequence_length
        )
        # Only [MASK] in the text has this id.
        positions = tf.ragged.range(token_ids.row_lengths())
        positions = tf.ragged.boolean_mask(positions, token_ids == vocabulary.mask_id)
        inputs, dense = padded(token_ids, segment_ids), positions.to_tensor()
        best, ids = _candidates(pretrainer, inputs, dense, vocabulary.size)
        is_mask = tf.sequence_mask(positions.row_lengths(), tf.shape(dense)[1])[..., tf.newaxis]
        return {
            "tokens": tf.where(is_mask, tf.gather(names, ids), ""),
            "probabilities": tf.where(is_mask, best, 0.0),
        }

    return signature(fill, "text")


def _fill_mask_ids(pretrainer: ElectraPretrainer, tokenizer: Tokenizer) -> Signature:
    """Returns for each position the five likeliest tokens.

    The outputs are their ids, `candidates`, and their `probabilities`, [batch, length, 5]. Only those at
    the positions of [MASK] mean something.
    """

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
    # The table of a model may have more rows than its vocabulary has tokens.
    likely = tf.nn.softmax(tf.cast(logits, tf.float32))[..., :vocabulary_size]
    return tf.math.top_k(likely, min(_NUM_CANDIDATES, vocabulary_size))


def _with_masks(tokenizer: Tokenizer, text: tf.Tensor) -> tf.RaggedTensor:
    """Token ids of texts in which `[MASK]` is the token of that name, ragged int32 [batch, tokens]."""
    parts = tokenizer(tf.strings.split(text, MASK))
    masks = tf.fill([tf.size(parts.values.row_lengths()), 1], tokenizer.vocabulary.mask_id)
    joined = parts.with_values(tf.concat([masks, parts.values], axis=1)).merge_dims(1, 2)
    return joined[:, 1:]  # without the mask before the first part


def _replaced_tokens(pretrainer: ElectraPretrainer, tokenizer: Tokenizer) -> Signature:
    """Returns for each token the probability that it was replaced.

    The outputs are `probabilities`, and the offsets of the tokens in characters, `starts` and `ends`,
    all [batch, length]. They are 0 at special tokens and padding.
    """

    def judge(text):
        length = pretrainer.discriminator.max_sequence_length
        inputs, offsets = text_inputs_with_offsets(tokenizer, text, length)
        logits = pretrainer.replaced_token_logits(inputs, training=False)
        is_text = offsets["ends"] > offsets["starts"]
        return {"probabilities": tf.where(is_text, tf.sigmoid(logits), 0.0), **offsets}

    return signature(judge, "text")


def _replaced_tokens_ids(pretrainer: ElectraPretrainer) -> Signature:
    """Returns for each position the probability that its token was replaced.

    The output is `probabilities`, [batch, length]; those of special tokens and padding mean nothing.
    """

    def judge(inputs: Tensors) -> dict[str, tf.Tensor]:
        logits = pretrainer.replaced_token_logits(inputs, training=False)
        return {"probabilities": tf.sigmoid(logits)}

    return ids_signature(judge, pretrainer.discriminator)
