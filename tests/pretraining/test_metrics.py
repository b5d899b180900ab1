"""The metrics against scikit-learn, and that sums add up."""

import math

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics as sklearn_metrics

from lvbert_tf.pretraining.metrics import masked_lm_sums, replaced_token_sums, summarize

RANDOM = np.random.default_rng(0)
SHAPE = (64, 128)
IS_FAKE = (RANDOM.random(SHAPE) < 0.06).astype(np.int32)
PADDING_MASK = (np.arange(128) < RANDOM.integers(20, 129, (64, 1))).astype(np.int32)
REAL = PADDING_MASK == 1


def disc_sums(logits, rows=slice(None)):
    logits, is_fake, mask = logits[rows], IS_FAKE[rows], PADDING_MASK[rows]
    return replaced_token_sums(logits, is_fake, mask)


def mlm_sums(rows=slice(None)):
    random = np.random.default_rng(1)
    losses = random.random((64, 5)).astype(np.float32)[rows]
    predictions, labels, sampled = random.integers(0, 3, (3, 64, 5))[:, rows]
    weights = (random.random((64, 5)) < 0.8).astype(np.float32)[rows]
    return masked_lm_sums(losses, predictions, labels, weights, sampled), (
        losses, predictions, labels, weights, sampled
    )  # fmt: skip


@pytest.mark.parametrize(
    ("center", "deviation", "gap"),
    [
        (0.0, 1.5, 2.0),
        (-2.7, 0.1, 0.1),  # a discriminator after its first steps: the base rate everywhere
        (-12.0, 4.0, 6.0),  # Electric's logits, which hold the log-likelihood of a token
    ],
)
def test_discriminator_metrics_equal_scikit_learn(center, deviation, gap):
    logits = RANDOM.normal(center, deviation, SHAPE) + gap * IS_FAKE
    logits = logits.astype(np.float32)
    summary = summarize(mlm_sums()[0] | disc_sums(logits), 1.0, 50.0)
    labels, scores = IS_FAKE[REAL], logits[REAL]
    flagged = scores > 0
    expected = {
        "disc_accuracy": sklearn_metrics.accuracy_score(labels, flagged),
        "disc_recall": sklearn_metrics.recall_score(labels, flagged),
        "fake_rate": labels.mean(),
        "disc_loss": np.mean(np.log1p(np.exp(np.where(labels, -scores, scores)))),
    }
    if flagged.any():
        expected["disc_precision"] = sklearn_metrics.precision_score(labels, flagged)
    for name, value in expected.items():
        assert summary[name] == pytest.approx(value, rel=1e-5), name
    area = sklearn_metrics.roc_auc_score(labels, scores)
    assert summary["disc_auc"] == pytest.approx(area, abs=1e-3)


def test_the_loss_is_exact_where_a_probability_rounds_to_zero():
    logits = tf.constant([[80.0, -80.0, 2.0]])
    sums = replaced_token_sums(logits, tf.constant([[0, 1, 0]]), tf.constant([[1, 1, 0]]))
    assert sums["disc_loss"] == 160.0


def test_masked_lm_metrics():
    sums, (losses, predictions, labels, weights, sampled) = mlm_sums()
    summary = summarize(sums, 1.0, 50.0)
    assert summary["mlm_loss"] == pytest.approx(np.average(losses, weights=weights))
    hits = np.average(predictions == labels, weights=weights)
    assert summary["mlm_accuracy"] == pytest.approx(hits)
    hits = np.average(sampled == labels, weights=weights)
    assert summary["sampled_mlm_accuracy"] == pytest.approx(hits)
    assert summary["loss"] == summary["mlm_loss"]
    assert "disc_loss" not in summary


def test_sums_of_parts_add_up():
    logits = RANDOM.normal(0, 2, SHAPE).astype(np.float32)
    whole = summarize(mlm_sums()[0] | disc_sums(logits), 1.0, 50.0)
    parts = [mlm_sums(rows)[0] | disc_sums(logits, rows) for rows in (slice(9), slice(9, 64))]
    summary = summarize({name: parts[0][name] + parts[1][name] for name in parts[0]}, 1.0, 50.0)
    assert summary == pytest.approx(whole, rel=1e-6)


def test_total_loss_is_weighted():
    sums = mlm_sums()[0] | disc_sums(np.zeros(SHAPE, np.float32))
    summary = summarize(sums, 2.0, 3.0)
    assert summary["disc_loss"] == pytest.approx(math.log(2.0), rel=1e-5)
    assert summary["loss"] == pytest.approx(
        2.0 * summary["mlm_loss"] + 3.0 * math.log(2.0), rel=1e-5
    )
    assert summary["disc_auc"] == pytest.approx(0.5)  # all ties
    cloze = summarize(sums | {"cloze_loss": 12.0, "cloze_weight": 4.0}, 2.0, 3.0)
    assert cloze["cloze_loss"] == 3.0
    assert cloze["loss"] == pytest.approx(6.0 + 3.0 * math.log(2.0), rel=1e-5)


def test_nothing_to_average_is_not_a_number():
    sums = mlm_sums()[0] | disc_sums(np.zeros(SHAPE, np.float32))
    sums = {name: np.zeros_like(value) for name, value in sums.items()}
    assert all(math.isnan(value) for value in summarize(sums, 1.0, 50.0).values())
