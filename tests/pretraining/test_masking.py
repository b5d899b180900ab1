"""Dynamic masking: what is chosen, how often, and from which random numbers."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from lvbert_tf.pretraining.masking import MaskingSpec, mask_tokens, place

CLS, SEP, MASK = 2, 3, 4
SEED = np.array([11, 7], np.int32)
# 18 real tokens, of which 14 may be chosen, and 2 of padding.
SEQUENCE = np.array([CLS, *range(10, 17), SEP, *range(20, 24), MASK, *range(30, 33), SEP, 0, 0])
CANDIDATES = np.flatnonzero(SEQUENCE >= 10)


def spec(mask_prob=0.15, max_predictions=5):
    return MaskingSpec(mask_prob, max_predictions, mask_id=MASK, special_ids=(CLS, SEP, MASK))


def batch_of(rows):
    ids = np.array(rows, np.int32)
    return {
        "input_ids": tf.constant(ids),
        "segment_ids": tf.zeros_like(ids),
        "input_mask": tf.constant((ids != 0).astype(np.int32)),
    }


def chosen(masked):
    """For each sequence, the positions of its used slots."""
    positions, used = masked["mask_positions"].numpy(), masked["mask_weights"].numpy() == 1
    return [row[slots] for row, slots in zip(positions, used, strict=True)]


@pytest.fixture(scope="module")
def many():
    """20,000 maskings of one sequence, four tokens each."""
    masked = mask_tokens(batch_of([SEQUENCE] * 20000), SEED, spec(mask_prob=0.2))
    return {name: value.numpy() for name, value in masked.items()} | {"spec": masked}


def test_positions_are_distinct_and_never_special_or_padding(many):
    rows = chosen(many["spec"])
    assert {len(row) for row in rows} == {4}  # round(0.2 x 18)
    assert all(len(set(row)) == 4 for row in rows)
    assert set(np.concatenate(rows)) == set(CANDIDATES)


def test_every_candidate_is_as_likely(many):
    counts = np.bincount(np.concatenate(chosen(many["spec"])), minlength=20)[CANDIDATES]
    # Drawn without replacement, the counts vary less than chi-square assumes: 10/13 as much.
    assert stats.chisquare(counts).pvalue > 1e-3
    assert counts.std() / counts.mean() > 0.005  # and they are random


def test_every_pair_is_as_likely():
    rows = chosen(mask_tokens(batch_of([SEQUENCE] * 20000), SEED, spec(max_predictions=2)))
    pairs = [tuple(sorted(row)) for row in rows]
    counts = np.unique(pairs, axis=0, return_counts=True)[1]
    assert len(counts) == 14 * 13 / 2
    assert stats.chisquare(counts).pvalue > 1e-3


def test_85_of_100_become_mask(many):
    used = many["mask_weights"] == 1
    original = np.take_along_axis(many["token_ids"], many["mask_positions"], 1)
    seen = np.take_along_axis(many["masked_token_ids"], many["mask_positions"], 1)
    is_masked = seen[used] == MASK
    deviation = np.sqrt(0.85 * 0.15 / used.sum())
    assert is_masked.mean() == pytest.approx(0.85, abs=4 * deviation)
    np.testing.assert_array_equal(seen[used][~is_masked], original[used][~is_masked])
    for slot in range(4):  # in every slot alike
        assert (seen[:, slot] == MASK).mean() == pytest.approx(0.85, abs=8 * deviation)


def test_nothing_else_changes(many):
    changed = many["masked_token_ids"] != many["token_ids"]
    allowed = np.zeros_like(changed)
    for row, positions in enumerate(chosen(many["spec"])):
        allowed[row, positions] = True
    assert not np.any(changed & ~allowed)
    assert np.all(many["masked_token_ids"][changed] == MASK)
    np.testing.assert_array_equal(many["token_ids"], [SEQUENCE] * 20000)


def test_labels_are_the_original_tokens(many):
    used = many["mask_weights"] == 1
    original = np.take_along_axis(many["token_ids"], many["mask_positions"], 1)
    np.testing.assert_array_equal(many["mask_labels"], np.where(used, original, 0))
    assert np.all(many["mask_positions"][~used] == 0)


def test_sampling_noise_is_uniform(many):
    noise = many["sampling_noise"]
    assert noise.shape == (20000, 5)
    assert stats.kstest(noise.ravel(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    ("real_tokens", "mask_prob", "max_predictions", "expected"),
    [
        (20, 0.15, 19, 3),
        (20, 0.15, 2, 2),  # no more than there are slots
        (3, 0.15, 19, 1),  # at least one
        (17, 0.15, 19, 3),  # round(2.55)
        (10, 0.25, 19, 2),  # ties go to the even number, as in the reference
        (20, 0.99, 100, 18),  # no more than there are candidates, nor slots than positions
    ],
)
def test_how_many_are_predicted(real_tokens, mask_prob, max_predictions, expected):
    sequence = np.zeros(20, np.int32)
    sequence[:real_tokens] = [CLS, *range(10, 8 + real_tokens), SEP]
    masked = mask_tokens(batch_of([sequence]), SEED, spec(mask_prob, max_predictions))
    assert masked["mask_weights"].shape == (1, min(max_predictions, 20))
    assert len(chosen(masked)[0]) == expected


def test_a_sequence_without_candidates_has_no_prediction():
    batch = batch_of([SEQUENCE, [CLS, SEP, MASK, SEP] + [0] * 16, [0] * 20])
    masked = mask_tokens(batch, SEED, spec())
    assert [len(row) for row in chosen(masked)] == [3, 0, 0]
    np.testing.assert_array_equal(masked["masked_token_ids"][1:], batch["input_ids"][1:])
    assert all(np.all(np.isfinite(value)) for value in masked.values())


def test_the_seed_decides():
    batch = batch_of([SEQUENCE] * 8)
    first, again = (mask_tokens(batch, SEED, spec()) for _ in range(2))
    other = mask_tokens(batch, tf.constant([11, 8]), spec())
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    for name in ("mask_positions", "masked_token_ids", "sampling_noise"):
        assert np.any(first[name] != other[name])
    assert len({tuple(row) for row in first["mask_positions"].numpy()}) > 4  # rows differ too


def test_replicas_do_together_what_one_device_does():
    batch = batch_of([SEQUENCE] * 6)
    whole = mask_tokens(batch, SEED, spec())
    for start, stop in ((0, 2), (2, 6)):
        part = {name: value[start:stop] for name, value in batch.items()}
        masked = mask_tokens(part, SEED, spec(), global_batch_size=6, offset=tf.constant(start))
        for name, value in masked.items():
            np.testing.assert_array_equal(value, whole[name][start:stop], err_msg=name)


def test_compiles_to_the_same():
    batch = batch_of([SEQUENCE, [CLS, SEP] + [0] * 18])
    compiled = tf.function(lambda seed: mask_tokens(batch, seed, spec()), jit_compile=True)
    for name, value in mask_tokens(batch, SEED, spec()).items():
        np.testing.assert_array_equal(compiled(SEED)[name], value, err_msg=name)


def test_place_is_exact_for_any_vocabulary():
    largest = 2**24 - 1
    base = tf.constant([[5, 6, 7, 8], [1, 2, 3, 4]])
    values = tf.constant([[30521, largest, 9], [largest - 1, 0, 9]])
    placed, written = place(
        values, tf.constant([[3, 1, 0], [2, 0, 0]]), tf.constant([[1.0, 1, 0], [1, 1, 0]]), base
    )
    np.testing.assert_array_equal(placed, [[5, largest, 7, 30521], [0, 2, largest - 1, 4]])
    np.testing.assert_array_equal(written, [[0, 1, 0, 1], [1, 0, 1, 0]])
