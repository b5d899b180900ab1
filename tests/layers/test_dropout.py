"""Dropout: the rate, the expectation, and where the randomness comes from."""

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers.dropout import Dropout, drop_threshold, dropout_seed, keep_scale


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9])
def test_rate_and_expectation(rate):
    with dropout_seed(tf.constant([3, 4])):
        output = Dropout(rate)(np.ones((300, 1001), np.float32), training=True).numpy()
    exact = max(1, round(rate * 256)) / 256
    deviation = np.sqrt(exact * (1 - exact) / output.size)
    assert np.mean(output == 0) == pytest.approx(exact, abs=4 * deviation)
    assert np.unique(output).tolist() == pytest.approx([0.0, 1.0 / (1.0 - exact)])
    assert exact == drop_threshold(rate) / 256
    assert keep_scale(rate) == pytest.approx(1.0 / (1.0 - exact))


def test_draws_are_independent():
    with dropout_seed(tf.constant([3, 4])):
        keep = Dropout(0.5).keep_mask((500, 512)).numpy().astype(float)
    correlations = np.corrcoef(keep.T)[np.triu_indices(512, 1)]
    assert np.abs(correlations).max() < 6 / np.sqrt(500)
    assert np.abs(np.corrcoef(keep)[0, 1:]).max() < 6 / np.sqrt(512)


def masks(seed, layers):
    with dropout_seed(tf.constant(seed)):
        return [layer.keep_mask((5, 7)).numpy() for layer in layers]


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
        np.testing.assert_array_equal(layer.keep_mask((5, 7)), first)
        np.testing.assert_array_equal(masks([1, 2], [layer])[0], first)
        np.testing.assert_array_equal(layer.keep_mask((5, 7)), second)


def test_without_a_seed_keras_provides_one():
    layer = Dropout(0.5)
    state = layer.seed_generator.state.numpy()
    first, second = layer.keep_mask((5, 7)).numpy(), layer.keep_mask((5, 7)).numpy()
    assert np.any(first != second)
    layer.seed_generator.state.assign(state)
    np.testing.assert_array_equal(layer.keep_mask((5, 7)), first)


def test_sizes_that_are_no_multiple_of_a_word():
    with dropout_seed(tf.constant([1, 2])):
        for shape in ((1,), (3,), (2, 3), (tf.constant(3), 7)):
            assert Dropout(0.5).keep_mask(shape).shape == tuple(map(int, shape))


def test_compiles_to_the_same():
    layer = Dropout(0.5)

    def draw(seed):
        with dropout_seed(seed):
            return [layer.keep_mask((5, 7)) for _ in range(2)]

    seed = tf.constant([1, 2])
    np.testing.assert_array_equal(tf.function(draw, jit_compile=True)(seed), draw(seed))


def test_nothing_is_dropped_in_inference_or_at_rate_0():
    x = np.ones((20, 20), np.float32)
    np.testing.assert_array_equal(Dropout(0.5)(x, training=False), x)
    np.testing.assert_array_equal(Dropout(0.0)(x, training=True), x)
    assert not Dropout(0.0).variables


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(ValueError, match=f"dropout rate {rate} is not in"):
        Dropout(rate)
