"""LAMB against Keras's, and its weight decay against the formula of the paper."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.training import optimizer
from lvbert_tf.training.lamb import Lamb

RATE, DECAY, BETA_1, BETA_2, EPSILON = 0.02, 0.1, 0.8, 0.95, 1e-5
SHAPES = {"kernel": (5, 4), "bias": (4,), "layer_norm.gamma": (4,), "zeros": (3,)}
MOMENTS = {"beta_1": BETA_1, "beta_2": BETA_2, "epsilon": EPSILON}


def make_variables():
    random = np.random.default_rng(0)
    return [
        keras.Variable(random.normal(size=shape) * (name != "zeros"), name=name, dtype="float32")
        for name, shape in SHAPES.items()
    ]


def gradients(step):
    random = np.random.default_rng(step)
    return [tf.constant(random.normal(size=shape), tf.float32) for shape in SHAPES.values()]


@pytest.fixture(params=["plain", "compiled"], autouse=True)
def _size(request, monkeypatch):
    """Updates all variables together without XLA, or each by itself with it."""
    if request.param == "compiled":
        monkeypatch.setattr(optimizer, "_LARGE", 1)


def test_without_decay_it_is_that_of_keras():
    ours, theirs = make_variables(), make_variables()
    our_lamb = Lamb(RATE, weight_decay_rate=0.0, **MOMENTS)
    their_lamb = keras.optimizers.Lamb(RATE, **MOMENTS)
    for step in range(5):
        our_lamb.apply(gradients(step), ours)
        their_lamb.apply(gradients(step), theirs)
        for our, their in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(our.numpy(), their.numpy(), atol=1e-6, rtol=0)


def test_decay_is_part_of_the_direction_and_spares_norms_and_biases():
    variables = make_variables()
    weights = [variable.numpy().astype(np.float64) for variable in variables]
    first, second = ([np.zeros_like(weight) for weight in weights] for _ in range(2))
    lamb = Lamb(RATE, weight_decay_rate=DECAY, **MOMENTS)
    for step in range(3):
        lamb.apply(gradients(step), variables)
        for i, (name, gradient) in enumerate(zip(SHAPES, gradients(step), strict=True)):
            first[i] = BETA_1 * first[i] + (1 - BETA_1) * gradient.numpy()
            second[i] = BETA_2 * second[i] + (1 - BETA_2) * gradient.numpy() ** 2
            direction = first[i] / (1 - BETA_1 ** (step + 1))
            direction /= np.sqrt(second[i] / (1 - BETA_2 ** (step + 1))) + EPSILON
            direction += (DECAY if name in ("kernel", "zeros") else 0.0) * weights[i]
            norm = np.linalg.norm(weights[i])
            ratio = norm / np.linalg.norm(direction) if norm else 1.0
            weights[i] -= RATE * ratio * direction
            np.testing.assert_allclose(variables[i].numpy(), weights[i], atol=1e-6, rtol=0)
