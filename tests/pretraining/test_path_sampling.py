import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.pretraining.path_sampling import PathSampler

LAYERS, TYPES, STEPS = 4, 3, 2000


def paths(method, steps=STEPS, seed=7):
    sampler = PathSampler(method, LAYERS, TYPES)

    @tf.function
    def sample_all():
        return tf.map_fn(lambda step: sampler.sample(tf.stack([seed, step])), tf.range(steps))

    return sample_all().numpy()


@pytest.mark.parametrize("method", ["uniform", "fair"])
def test_a_function_of_seed_and_step(method):
    first = paths(method, 20)
    assert first.shape == (20, PathSampler(method, LAYERS, TYPES).num_paths, LAYERS)
    np.testing.assert_array_equal(paths(method, 20), first)
    assert (paths(method, 20, seed=8) != first).any()
    assert len({values.tobytes() for values in first}) > 10


@pytest.mark.parametrize("method", ["uniform", "fair"])
def test_every_pair_of_choices_is_equally_likely(method):
    """Of two positions on one path: so positions are independent and no type is preferred."""
    first = paths(method)[:, 0]
    for one in range(LAYERS):
        for other in range(one):
            counts = np.zeros((TYPES, TYPES))
            np.add.at(counts, (first[:, one], first[:, other]), 1)
            expected = STEPS / TYPES**2
            chi_squared = ((counts - expected) ** 2 / expected).sum()
            assert chi_squared < 37.3  # 8 degrees of freedom, p = 1e-5


def test_fair_paths_cover_every_block_once():
    columns = np.sort(paths("fair", 50), axis=1)
    expected = np.arange(TYPES)[None, :, None]
    np.testing.assert_array_equal(columns, np.broadcast_to(expected, columns.shape))
