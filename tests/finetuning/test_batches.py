from itertools import combinations

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.finetuning.learning.batches import (
    batches,
    padded_lengths,
    prediction_plan,
    training_plan,
)
from lvbert_tf.finetuning.objectives.features import TaskFeatures

LENGTHS = np.random.default_rng(0).integers(3, 60, 1000)


def features(lengths):
    ids = tf.RaggedTensor.from_row_lengths(np.arange(lengths.sum(), dtype=np.int32) + 1, lengths)
    tokens = {"token_ids": ids, "segment_ids": ids * 0 + 1}
    return TaskFeatures(tokens, {"label": tf.range(len(lengths))})


@pytest.mark.parametrize(
    ("lengths", "max_seq_length", "expected"),
    [
        ([3, 59, 4, 59], 128, [4, 60]),
        ([128, 1], 128, [2, 128]),
        ([7, 5], 7, [6, 7]),
    ],
)
def test_lengths_that_cost_nothing_are_all_even_ones(lengths, max_seq_length, expected):
    lengths = np.array(lengths)
    assert padded_lengths(lengths, max_seq_length, True, "stretches").tolist() == expected
    assert padded_lengths(lengths, max_seq_length, False, "stretches").tolist() == [max_seq_length]


@pytest.mark.parametrize("price", [1, 10, 60, 300, 10_000])
def test_no_other_lengths_cost_less(price):
    lengths = np.array([4, 4, 6, 10, 10, 10, 16, 30, 30, 32])

    def cost(choices):
        choices = np.array(choices)
        return choices[np.searchsorted(choices, lengths)].sum() + price * len(choices)

    chosen = padded_lengths(lengths, 32, True, "stretches", passes=3_000 / price)
    shorter = sorted(set(lengths.tolist()) - {32})
    others = [
        [*some, 32] for count in range(len(shorter) + 1) for some in combinations(shorter, count)
    ]
    assert cost(chosen) == min(map(cost, others))


def test_longer_training_has_more_lengths():
    counts = [
        len(padded_lengths(LENGTHS, 64, True, "stretches", passes)) for passes in (1, 10, 100)
    ]
    assert counts == sorted(set(counts))


@pytest.mark.parametrize(
    ("rows", "mean", "max_seq_length", "most"),
    [(8_500, 11, 128, 1), (400_000, 40, 128, 3), (130_000, 160, 512, 4)],
)
def test_a_step_that_is_compiled_as_a_whole_has_few_lengths(rows, mean, max_seq_length, most):
    """Data sets of about the size of CoLA, MNLI and SQuAD."""
    lengths = np.random.default_rng(0).gamma(4, mean / 4, rows).astype(int) + 3
    lengths = np.minimum(lengths, max_seq_length)
    chosen = padded_lengths(lengths, max_seq_length, True, "whole", passes=3)
    assert 1 <= len(chosen) <= most
    assert (chosen % 8 == 0).all()
    assert len(padded_lengths(lengths, max_seq_length, True, "stretches", passes=3)) > 2 * most


@pytest.mark.parametrize("bucket", [True, False])
def test_an_epoch_has_every_row_once(bucket):
    choices = padded_lengths(LENGTHS, 64, bucket, "stretches")
    plan = training_plan(LENGTHS, 8, 250, choices, seed=3)
    rows = plan.rows.reshape(-1)
    # 2,000 rows are two epochs; a run of sorted batches may have rows of both.
    assert np.bincount(rows, minlength=1000).tolist() == [2] * 1000
    first = np.sort(training_plan(LENGTHS, 8, 125, choices, seed=3).rows.reshape(-1))
    assert first.tolist() == list(range(1000))


def test_no_row_is_cut_and_buckets_save_padding():
    choices = padded_lengths(LENGTHS, 64, True, "stretches")
    plan = training_plan(LENGTHS, 8, 125, choices, seed=3)
    longest = LENGTHS[plan.rows].max(axis=1)
    assert (plan.lengths >= longest).all()
    assert (plan.lengths - longest < 16).all()
    plain = training_plan(LENGTHS, 8, 125, padded_lengths(LENGTHS, 64, False, "stretches"), seed=3)
    assert plan.lengths.sum() < 0.7 * plain.lengths.sum()


def test_the_order_depends_on_the_seed_and_on_nothing_else():
    choices = padded_lengths(LENGTHS, 64, True, "stretches")
    plan = training_plan(LENGTHS, 8, 125, choices, seed=3)
    again = training_plan(LENGTHS, 8, 125, choices, seed=3)
    other = training_plan(LENGTHS, 8, 125, choices, seed=4)
    np.testing.assert_array_equal(plan.rows, again.rows)
    assert (plan.rows != other.rows).mean() > 0.9
    # Batches of like lengths do not follow one another: neighbours differ as shuffled ones do.
    steps = np.abs(np.diff(plan.lengths.astype(float)))
    shuffled = np.abs(np.diff(np.random.default_rng(0).permutation(plan.lengths).astype(float)))
    assert steps.mean() > 0.7 * shuffled.mean()


def test_fewer_rows_than_a_batch_are_repeated():
    plan = training_plan(np.array([3, 4]), 8, 2, np.array([8], np.int32), seed=0)
    assert np.bincount(plan.rows.reshape(-1)).tolist() == [8, 8]


def test_a_batch_is_its_rows_padded():
    lengths = np.array([3, 1, 2, 4, 2])
    plan = prediction_plan(lengths, 2, np.array([2, 4], np.int32))
    assert plan.rows.tolist() == [[3, 0], [2, 4], [1, -1]]
    assert plan.lengths.tolist() == [4, 2, 2]
    first, second, third = batches(features(lengths), plan)
    assert first["token_ids"].numpy().tolist() == [[7, 8, 9, 10], [1, 2, 3, 0]]
    assert first["segment_ids"].numpy().tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert first["padding_mask"].numpy().tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert first["label"].numpy().tolist() == [3, 0]
    assert second["token_ids"].numpy().tolist() == [[5, 6], [11, 12]]
    assert third["token_ids"].numpy().tolist() == [[4, 0], [1, 2]]  # -1: what fits of row 0


def test_a_run_continues_where_it_was_and_workers_share_a_batch():
    choices = padded_lengths(LENGTHS, 64, True, "stretches")
    plan = training_plan(LENGTHS, 8, 12, choices, seed=3)
    whole = list(batches(features(LENGTHS), plan))
    later = list(batches(features(LENGTHS), plan, start=10))
    assert len(whole) == 12 and len(later) == 2
    for expected, batch in zip(whole[10:], later, strict=True):
        np.testing.assert_array_equal(expected["token_ids"], batch["token_ids"])
    halves = [
        list(batches(features(LENGTHS), plan, worker=(index, 2), replicas=2)) for index in (0, 1)
    ]
    parts_of_steps = zip(*(half[part::2] for half in halves for part in (0, 1)), strict=True)
    for expected, parts in zip(whole, parts_of_steps, strict=True):
        assert [len(part["token_ids"]) for part in parts] == [2] * 4
        joined = np.concatenate([part["token_ids"] for part in parts])
        np.testing.assert_array_equal(expected["token_ids"], joined)


def test_batches_of_one_length_have_numbers_and_static_shapes():
    """As TPUs need it."""
    plan = training_plan(LENGTHS, 8, 12, padded_lengths(LENGTHS, 64, False, "stretches"), seed=3)
    spec = batches(features(LENGTHS), plan, replicas=2).element_spec
    shapes = {name: value.shape.as_list() for name, value in spec.items()}
    assert shapes.pop("label") == [4]
    assert shapes == {name: [4, 64] for name in ("token_ids", "segment_ids", "padding_mask")}
    assert all(value.dtype.is_integer for value in spec.values())
