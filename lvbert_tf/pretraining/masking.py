"""Dynamic masking chooses the tokens of a batch that are predicted, and those that become [MASK]."""

from dataclasses import dataclass

import tensorflow as tf

from lvbert_tf.settings.parts import ObjectiveSettings
from lvbert_tf.text.vocabulary import Vocabulary

SHARE_REPLACED_BY_MASK = 0.85  # the other chosen tokens are predicted, but stay as they are

Features = dict[str, tf.Tensor]


@dataclass(frozen=True)
class MaskingSpec:
    """How tokens are masked.

    Args:
        mask_prob: the share of the real tokens that are predicted.
        max_predictions: the number of slots for predictions in a sequence.
        mask_id: the id of [MASK].
        special_ids: the ids that are never chosen: those of [CLS], [SEP] and [MASK].
    """

    mask_prob: float
    max_predictions: int
    mask_id: int
    special_ids: tuple[int, ...]

    @classmethod
    def from_settings(cls, settings: ObjectiveSettings, vocabulary: Vocabulary) -> "MaskingSpec":
        """The masking of a run with this vocabulary."""
        return cls(
            mask_prob=settings.mask_prob,
            max_predictions=settings.max_predictions_per_seq,
            mask_id=vocabulary.mask_id,
            special_ids=(vocabulary.cls_id, vocabulary.sep_id, vocabulary.mask_id),
        )


def candidate_mask(token_ids: tf.Tensor, padding_mask: tf.Tensor, spec: MaskingSpec) -> tf.Tensor:
    """A boolean tensor of the shape of `token_ids`, true at the tokens that may be chosen."""
    candidates = tf.cast(padding_mask, tf.bool)
    for special in spec.special_ids:
        candidates &= token_ids != special
    return candidates


def place(values: tf.Tensor, positions: tf.Tensor, weights: tf.Tensor, base: tf.Tensor):
    """Writes `values` at the positions of weight 1 into `base`.

    Args:
        values, positions: integers, shape (batch, masked). Positions of weight 1 are distinct.
        weights: float32, 0 or 1, shape (batch, masked).
        base: integers, shape (batch, length).

    Returns:
        the updated `base`, and a boolean tensor of its shape that is true where it was written.
    """
    # One-hot rows, because XLA does not compile scatters for every device. They are summed, not used in
    # a matrix product, because GPUs and TPUs round its factors to fewer bits than a token id has.
    rows = tf.one_hot(positions, base.shape[1]) * weights[:, :, None]
    written = tf.reduce_sum(rows, 1) > 0
    placed = tf.reduce_sum(tf.cast(values, tf.float32)[:, :, None] * rows, 1)
    return tf.where(written, tf.cast(placed, base.dtype), base), written


def mask_tokens(
    batch: Features,
    seed: tf.Tensor,
    spec: MaskingSpec,
    global_batch_size: int | None = None,
    offset: tf.Tensor | int = 0,
) -> Features:
    """Chooses the tokens to predict, without replacement, and masks most of them.

    In each sequence max(1, min(max_predictions, round(mask_prob x real tokens))) distinct positions are
    drawn uniformly among those that may be chosen, or all of these if they are fewer. 85% of the chosen
    tokens become [MASK]. (The reference draws with replacement, which yields 17.7 distinct positions of
    19 on average.)

    Each replica draws the random numbers of the global batch and takes its slice, so that the replicas
    together mask what one device would mask in the whole batch.

    Args:
        batch: `input_ids`, `segment_ids`, `input_mask`, int32 of shape (batch, length).
        seed: integers of shape (2,), a function of the run's seed and the step.
        spec: how tokens are masked.
        global_batch_size: sequences in the global batch; by default `batch` is all of it.
        offset: index of the first sequence of `batch` in the global batch.

    Returns:
        of shape (batch, length): `token_ids` (the originals), `segment_ids`, `padding_mask` and
        `masked_token_ids` (with [MASK]). Of shape (batch, max_predictions): `mask_positions` and
        `mask_labels`, int32, `mask_weights`, float32, 1 where the slot is used and 0 elsewhere, and
        `sampling_noise`, float32, uniform in [0, 1).
    """
    token_ids, padding_mask = batch["input_ids"], batch["input_mask"]
    rows, length = token_ids.shape
    whole = rows if global_batch_size is None else global_batch_size
    slots = min(spec.max_predictions, length)

    def uniform(stream, columns):
        stream_seed = tf.random.experimental.stateless_fold_in(seed, stream, alg="philox")
        # Integers, because only TensorFlow's random words are the same whether XLA compiles them or not.
        words = tf.random.stateless_uniform(
            [whole, columns], stream_seed, None, None, tf.uint32, alg="philox"
        )
        numbers = tf.cast(tf.bitwise.right_shift(words, 8), tf.float32) * 2.0**-24
        # Not of the words, of which TensorFlow cannot take a part on a GPU.
        return tf.slice(numbers, [offset, 0], [rows, columns])

    candidates = candidate_mask(token_ids, padding_mask, spec)
    # The largest of independent uniform keys are a uniform draw without replacement.
    keys = tf.where(candidates, uniform(0, length), -1.0)
    positions = tf.math.top_k(keys, slots).indices
    real_tokens = tf.cast(tf.reduce_sum(padding_mask, -1), tf.float32)
    wanted = tf.cast(tf.round(real_tokens * spec.mask_prob), tf.int32)
    wanted = tf.maximum(1, tf.minimum(slots, wanted))
    available = tf.reduce_sum(tf.cast(candidates, tf.int32), -1)
    weights = tf.sequence_mask(tf.minimum(wanted, available), slots, tf.float32)
    positions = positions * tf.cast(weights, tf.int32)
    labels = tf.gather(token_ids, positions, batch_dims=1) * tf.cast(weights, tf.int32)

    becomes_mask = tf.cast(uniform(1, slots) < SHARE_REPLACED_BY_MASK, tf.float32)
    masked_ids, _ = place(
        tf.fill([rows, slots], spec.mask_id), positions, weights * becomes_mask, token_ids
    )
    return {
        "token_ids": token_ids,
        "segment_ids": batch["segment_ids"],
        "padding_mask": padding_mask,
        "masked_token_ids": masked_ids,
        "mask_positions": positions,
        "mask_labels": labels,
        "mask_weights": weights,
        "sampling_noise": uniform(2, slots),
    }
