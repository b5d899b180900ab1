"""Metrics of pre-training as sums over tokens, and the metrics that follow from the sums.

Sums of replicas, parts of batches and steps add up to those of all their tokens. Only `summarize`
divides. The area under the ROC curve is computed from histograms of the logits, because rank
statistics do not add up.
"""

import math

import numpy as np
import tensorflow as tf

# In the first steps all logits are close to the logit of the share of fakes, so the bins are fine.
# Electric's logits contain the log-likelihood of a token, so the bins reach far.
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
    """Sums over the masked slots. All arguments have the shape (batch, slots)."""
    return {
        "mlm_weight": tf.reduce_sum(weights),
        "mlm_loss": tf.reduce_sum(losses * weights),
        "mlm_correct": tf.reduce_sum(tf.cast(predictions == labels, tf.float32) * weights),
        "sampled_correct": tf.reduce_sum(tf.cast(sampled == labels, tf.float32) * weights),
    }


def replaced_token_sums(logits, is_fake, padding_mask) -> dict[str, tf.Tensor]:
    """Sums over the real tokens. All arguments have the shape (batch, length).

    `disc_loss` is the sum of the binary cross-entropies (ELECTRA: Clark et al., 2020, eq. 3).
    `disc_weight` is the number of real tokens, not the weight of the loss.
    """
    real = tf.cast(padding_mask, tf.float32)
    fake = tf.cast(is_fake, tf.float32)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(fake, logits)
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
    """The probability that a fake token scores above an original one; ties count half."""
    pairs = float(fake.sum()) * float(original.sum())
    below = np.cumsum(original) - original
    return float(np.sum(fake * (below + 0.5 * original)) / pairs) if pairs else math.nan


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> float:
    return float(numerator) / float(denominator) if denominator else math.nan


def summarize(sums: dict[str, np.ndarray], gen_weight: float, disc_weight: float) -> dict:
    """Turns sums into metrics.

    Args:
        sums: the sums of one or more batches.
        gen_weight, disc_weight: the weights of the two losses in the total loss.

    Returns:
        `loss`, `mlm_loss`, `mlm_accuracy`, `sampled_mlm_accuracy` and, if there is a discriminator,
        `disc_loss`, `disc_accuracy`, `disc_auc`, `disc_precision`, `disc_recall`, `fake_rate`. A metric
        is NaN if there was nothing to average.
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
    """The metrics of `summarize` that are about the masked LM."""
    return {
        "mlm_loss": _ratio(sums["mlm_loss"], sums["mlm_weight"]),
        "mlm_accuracy": _ratio(sums["mlm_correct"], sums["mlm_weight"]),
        "sampled_mlm_accuracy": _ratio(sums["sampled_correct"], sums["mlm_weight"]),
    }


def replaced_token_metrics(sums: dict[str, np.ndarray]) -> dict[str, float]:
    """The metrics of `summarize` that are about the discriminator."""
    return {
        "disc_loss": _ratio(sums["disc_loss"], sums["disc_weight"]),
        "disc_accuracy": _ratio(sums["disc_correct"], sums["disc_weight"]),
        "disc_auc": _area_under_roc(sums["histogram_fake"], sums["histogram_original"]),
        "disc_precision": _ratio(sums["disc_caught"], sums["disc_flagged"]),
        "disc_recall": _ratio(sums["disc_caught"], sums["disc_fake"]),
        "fake_rate": _ratio(sums["disc_fake"], sums["disc_weight"]),
    }
