"""Looking into a pre-trained model: what it fills into gaps, and which words seem replaced to it."""

from dataclasses import dataclass

import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.runs.loaded_model import LoadedModel
from lvbert_tf.text.tokenizer import Tokenizer
from lvbert_tf.text.vocabulary import MASK


@dataclass(frozen=True)
class FilledToken:
    """A token for a gap, and its probability among all tokens of the vocabulary."""

    token: str
    probability: float


@dataclass(frozen=True)
class FlaggedWord:
    """A word of a text, and the probability that the likeliest of its pieces was replaced."""

    word: str
    probability: float


def fill_masks(model: LoadedModel, text: str, num_candidates: int = 5) -> list[list[FilledToken]]:
    """Predicts the tokens that stood where a text has `[MASK]`.

    All gaps are predicted at once, so a prediction does not depend on what fills the other gaps.

    Args:
      model: a pre-trained model; see `load_pretrained`.
      text: contains at least one `[MASK]`. Each stands for one token.
      num_candidates: how many tokens to return for a gap.

    Returns:
      a list for each gap, in their order, of the likeliest tokens, the likeliest first.

    Raises:
      InputError: the text has no gap or more tokens than the model has positions, or the model has no
        generator or no vocabulary.
    """
    pretrainer, tokenizer = model.pretrainer, _tokenizer(model)
    if pretrainer.generator is None:
        raise InputError("the model has no generator to fill masks with (uniform_generator)")
    parts = text.split(MASK)
    if len(parts) == 1:
        raise InputError(f"no {MASK} in the text {text!r}")
    vocabulary = tokenizer.vocabulary
    body: list[int] = []
    gaps = []
    for index, ids in enumerate(tokenizer(parts).to_list()):
        if index:
            gaps.append(len(body) + 1)  # after [CLS]
            body.append(vocabulary.mask_id)
        body += ids
    inputs, positions = _inputs(pretrainer, tokenizer, body), tf.constant([gaps])
    if pretrainer.right_to_left_generator is None:
        logits = pretrainer.masked_lm_logits(inputs, positions, training=False)[0]
    else:
        logits = tf.gather(pretrainer.cloze_logits(inputs, training=False)[0], gaps)
    # The token table may have more rows than the vocabulary has tokens.
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))[:, : vocabulary.size]
    best = tf.math.top_k(probabilities, min(num_candidates, vocabulary.size))
    return [
        [FilledToken(vocabulary.tokens[i], p) for i, p in zip(ids, values, strict=True)]
        for ids, values in zip(best.indices.numpy(), best.values.numpy().tolist(), strict=True)
    ]


def flag_replacements(model: LoadedModel, text: str) -> list[FlaggedWord]:
    """Computes for each word of a text how likely the discriminator takes it for replaced.

    Under Electric the numbers order the words, but they are no probabilities, because the likelihood
    of the generator, which the objective adds to the logits, is left out.

    Args:
      model: a pre-trained model; see `load_pretrained`.
      text: words separated by whitespace. Punctuation is part of the word that it is attached to.

    Raises:
      InputError: the text has no words or more tokens than the model has positions, or the model has
        no discriminator or no vocabulary.
    """
    pretrainer, tokenizer = model.pretrainer, _tokenizer(model)
    if pretrainer.replaced_token_head is None:
        raise InputError("the model has no discriminator (trained with electra_objective false)")
    words = text.split()
    if not words:
        raise InputError("the text has no words")
    ids = tokenizer(words)
    inputs = _inputs(pretrainer, tokenizer, ids.flat_values.numpy().tolist())
    logits = pretrainer.replaced_token_logits(inputs, training=False)[0, 1:-1]
    by_piece = tf.nn.sigmoid(tf.cast(logits, tf.float32)).numpy().tolist()
    flagged, start = [], 0
    for word, length in zip(words, ids.row_lengths().numpy().tolist(), strict=True):
        flagged.append(FlaggedWord(word, max(by_piece[start : start + length], default=0.0)))
        start += length
    return flagged


def _tokenizer(model: LoadedModel) -> Tokenizer:
    if model.tokenizer is None:
        raise InputError("the model has no vocabulary")
    return model.tokenizer.tokenizer


def _inputs(
    pretrainer: ElectraPretrainer, tokenizer: Tokenizer, body: list[int]
) -> dict[str, tf.Tensor]:
    """The sequence `[CLS] body [SEP]` as inputs of a backbone, with a batch dimension of 1."""
    vocabulary = tokenizer.vocabulary
    token_ids = tf.constant([[vocabulary.cls_id, *body, vocabulary.sep_id]])
    limit = pretrainer.discriminator.max_sequence_length
    if token_ids.shape[1] > limit:
        raise InputError(
            f"the text has {len(body)} tokens; the model has positions for {limit - 2}"
        )
    return {
        "token_ids": token_ids,
        "segment_ids": tf.zeros_like(token_ids),
        "padding_mask": tf.ones_like(token_ids),
    }
