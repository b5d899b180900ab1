"""Dropout: the rate, the expectation, and where the randomness comes from."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers.dropout import Dropout, dropout_seed
from lvbert_tf.layers.kernels import keep_mask, keep_scale


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9])
def test_rate_and_expectation(rate):
    with dropout_seed(tf.constant([3, 4])):
        output = Dropout(rate)(np.ones((300, 1001), np.float32), training=True).numpy()
    deviation = np.sqrt(rate * (1 - rate) / output.size)
    assert np.mean(output == 0) == pytest.approx(rate, abs=4 * deviation)
    assert np.unique(output).tolist() == pytest.approx([0.0, 1.0 / (1.0 - rate)])
    assert keep_scale(rate) == pytest.approx(1.0 / (1.0 - rate))


def draw(layer, shape=(5, 7)):
    return keep_mask(layer.draw(training=True).seed, shape, layer.rate)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_draws_are_independent(rate):
    with dropout_seed(tf.constant([3, 4])):
        keep = draw(Dropout(rate), (500, 512)).numpy().astype(float)
    # Correlations of independent draws are normal with these deviations: six are never seen.
    by_column = np.corrcoef(keep.T)[np.triu_indices(512, 1)]
    by_row = np.corrcoef(keep)[np.triu_indices(500, 1)]
    for correlations, deviation in ((by_column, 500**-0.5), (by_row, 512**-0.5)):
        assert np.abs(correlations).max() < 6 * deviation
        assert correlations.std() == pytest.approx(deviation, rel=0.02)
    # Counts in rows and columns scatter as binomial ones do.
    for axis, size in ((0, 500), (1, 512)):
        variance = (keep.sum(axis) - size * (1 - rate)).var() / (size * rate * (1 - rate))
        assert variance == pytest.approx(1.0, abs=6 * (2 / 500) ** 0.5)


def test_successive_masks_are_independent():
    with dropout_seed(tf.constant([3, 4])):
        layer = Dropout(0.1)
        masks = np.stack([draw(layer, (64, 64)).numpy().ravel() for _ in range(200)]).astype(float)
    correlations = np.corrcoef(masks)[np.triu_indices(200, 1)]
    assert np.abs(correlations).max() < 6 / 64
    assert correlations.std() == pytest.approx(1 / 64, rel=0.05)
    # And every place is dropped as often as every other.
    variance = (masks.sum(0) - 180).var() / (200 * 0.1 * 0.9)
    assert variance == pytest.approx(1.0, abs=6 * (2 / 4096) ** 0.5)


def masks(seed, layers):
    with dropout_seed(tf.constant(seed)):
        return [draw(layer).numpy() for layer in layers]


def test_masks_are_functions_of_the_seed_and_the_place():
    layers = [Dropout(0.5), Dropout(0.5)]
    first, second = masks([1, 2], layers)
    assert np.any(first != second)
    np.testing.assert_array_equal(masks([1, 2], layers), [first, second])
    # Not of the layer object: a rebuilt model draws the same.
    np.testing.assert_array_equal(masks([1, 2], [Dropout(0.5), Dropout(0.5)]), [first, second])
    assert np.any(masks([1, 3], layers)[0] != first)


def test_an_inner_seed_ends_with_its_block():
    layer = Dropout(0.5)
    first, second = masks([1, 2], [layer, layer])
    with dropout_seed(tf.constant([1, 2])):
        np.testing.assert_array_equal(draw(layer), first)
        np.testing.assert_array_equal(masks([1, 2], [layer])[0], first)
        np.testing.assert_array_equal(draw(layer), second)


def test_a_seed_is_of_its_own_thread():
    """Replicas are traced in threads; none may take another's place in the pass."""
    layer = Dropout(0.5)
    first, _ = masks([1, 2], [layer, layer])
    with dropout_seed(tf.constant([1, 2])), ThreadPoolExecutor(1) as pool:
        pool.submit(draw, layer).result()
        np.testing.assert_array_equal(draw(layer), first)


@pytest.mark.parametrize("other", [[1, 3], [2, 2]])
def test_both_numbers_of_a_seed_count(other):
    seeds = (tf.constant(seed, tf.uint32) for seed in ([1, 2], other))
    first, second = (keep_mask(seed, (5, 7), 0.5).numpy() for seed in seeds)
    assert np.any(first != second)


def test_without_a_seed_keras_provides_one():
    layer = Dropout(0.5)
    state = layer.seed_generator.state.numpy()
    first, second = draw(layer).numpy(), draw(layer).numpy()
    assert np.any(first != second)
    layer.seed_generator.state.assign(state)
    np.testing.assert_array_equal(draw(layer), first)


def test_shapes_of_every_kind():
    seed = tf.constant([1, 2], tf.uint32)
    flat = keep_mask(seed, (21,), 0.5).numpy()
    for shape in ((3, 7), (tf.constant(3), 7), (3, tf.constant(7)), (1, 3, 7)):
        mask = keep_mask(seed, shape, 0.5)
        assert mask.shape == tuple(map(int, shape))
        np.testing.assert_array_equal(np.ravel(mask), flat)


def test_compiles_to_the_same():
    layer = Dropout(0.5)

    def two(seed):
        with dropout_seed(seed):
            return [draw(layer) for _ in range(2)]

    seed = tf.constant([1, 2])
    np.testing.assert_array_equal(tf.function(two, jit_compile=True)(seed), two(seed))


def test_nothing_is_dropped_in_inference_or_at_rate_0():
    x = np.ones((20, 20), np.float32)
    np.testing.assert_array_equal(Dropout(0.5)(x, training=False), x)
    np.testing.assert_array_equal(Dropout(0.0)(x, training=True), x)
    assert Dropout(0.5).draw(training=False) is None and Dropout(0.0).draw(training=True) is None
    assert not Dropout(0.0).variables


def test_the_rate_survives_serialisation():
    assert Dropout.from_config(Dropout(0.3).get_config()).rate == 0.3


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(ValueError, match=f"dropout rate {rate} is not in"):
        Dropout(rate)
