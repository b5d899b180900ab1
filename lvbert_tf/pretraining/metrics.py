"""Metrics of pre-training as sums, additive over replicas, micro-batches and steps.

The sums of many steps on many devices add up to the metrics of all their tokens; only `summarize`
divides. The area under the ROC curve comes from histograms of the logits, because a rank statistic
does not add up.
"""

import math

import numpy as np
import tensorflow as tf

# Fine enough for the first steps, when all logits are near the base rate's, and wide enough for
# Electric's, which contain the log-likelihood of a token.
_BINS = 4096
_LARGEST_LOGIT = 24.0


def _histogram(logits: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    clipped = tf.clip_by_value(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT)
    position = (clipped + _LARGEST_LOGIT) / (2 * _LARGEST_LOGIT) * _BINS
    bins = tf.minimum(tf.cast(position, tf.int32), _BINS - 1)
    return tf.math.unsorted_segment_sum(
        tf.reshape(weights, [-1]), tf.reshape(bins, [-1]), num_segments=_BINS
    )


def masked_lm_sums(losses, predictions, labels, weights, sampled) -> dict[str, tf.Tensor]:
    """Sums over the masked slots; all arguments of shape (batch, slots)."""
    return {
        "mlm_weight": tf.reduce_sum(weights),
        "mlm_loss": tf.reduce_sum(losses * weights),
        "mlm_correct": tf.reduce_sum(tf.cast(predictions == labels, tf.float32) * weights),
        "sampled_correct": tf.reduce_sum(tf.cast(sampled == labels, tf.float32) * weights),
    }


def replaced_token_sums(losses, logits, is_fake, padding_mask) -> dict[str, tf.Tensor]:
    """Sums over the real tokens; all arguments of shape (batch, length)."""
    real = tf.cast(padding_mask, tf.float32)
    fake = tf.cast(is_fake, tf.float32)
    flagged = tf.cast(logits > 0, tf.float32)
    return {
        "disc_weight": tf.reduce_sum(real),
        "disc_loss": tf.reduce_sum(losses * real),
        "disc_correct": tf.reduce_sum(tf.cast(flagged == fake, tf.float32) * real),
        "disc_fake": tf.reduce_sum(fake * real),
        "disc_flagged": tf.reduce_sum(flagged * real),
        "disc_caught": tf.reduce_sum(flagged * fake * real),
        "histogram_fake": _histogram(logits, fake * real),
        "histogram_original": _histogram(logits, (1.0 - fake) * real),
    }


def _area_under_roc(fake: np.ndarray, original: np.ndarray) -> float:
    """Probability that a fake token scores above an original one, ties counting half."""
    pairs = float(fake.sum()) * float(original.sum())
    below = np.cumsum(original) - original
    return float(np.sum(fake * (below + 0.5 * original)) / pairs) if pairs else math.nan


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> float:
    return float(numerator) / float(denominator) if denominator else math.nan


def summarize(sums: dict[str, np.ndarray], gen_weight: float, disc_weight: float) -> dict:
    """Turns sums into metrics.

    Args:
        sums: the sums of one or more batches, added up.
        gen_weight, disc_weight: weights of the two losses in the total.

    Returns:
        `loss`, `mlm_loss`, `mlm_accuracy`, `sampled_mlm_accuracy` and, if there is a discriminator,
        `disc_loss`, `disc_accuracy`, `disc_auc`, `disc_precision`, `disc_recall`, `fake_rate`; NaN
        where there was nothing to average.
    """
    sums = {name: np.asarray(value, np.float64) for name, value in sums.items()}
    metrics = masked_lm_metrics(sums)
    cloze_loss = metrics["mlm_loss"]
    if "cloze_weight" in sums:
        cloze_loss = metrics["cloze_loss"] = _ratio(sums["cloze_loss"], sums["cloze_weight"])
    loss = gen_weight * cloze_loss
    if "disc_weight" in sums:
        metrics |= replaced_token_metrics(sums)
        loss += disc_weight * metrics["disc_loss"]
    return {"loss": loss, **metrics}


def masked_lm_metrics(sums: dict[str, np.ndarray]) -> dict[str, float]:
    """The part of `summarize` that is about the masked LM."""
    return {
        "mlm_loss": _ratio(sums["mlm_loss"], sums["mlm_weight"]),
        "mlm_accuracy": _ratio(sums["mlm_correct"], sums["mlm_weight"]),
        "sampled_mlm_accuracy": _ratio(sums["sampled_correct"], sums["mlm_weight"]),
    }


def replaced_token_metrics(sums: dict[str, np.ndarray]) -> dict[str, float]:
    """The part of `summarize` that is about the discriminator."""
    return {
        "disc_loss": _ratio(sums["disc_loss"], sums["disc_weight"]),
        "disc_accuracy": _ratio(sums["disc_correct"], sums["disc_weight"]),
        "disc_auc": _area_under_roc(sums["histogram_fake"], sums["histogram_original"]),
        "disc_precision": _ratio(sums["disc_caught"], sums["disc_flagged"]),
        "disc_recall": _ratio(sums["disc_caught"], sums["disc_fake"]),
        "fake_rate": _ratio(sums["disc_fake"], sums["disc_weight"]),
    }
