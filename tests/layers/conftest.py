"""Inputs of the layers' tests: two sequences of 12 positions, the second with 5 of padding."""

import numpy as np
import pytest

from lvbert_tf.layers.kernels import compile_as


@pytest.fixture(autouse=True)
def compiled_stretches(always_compiled):
    """Compiles stretches although the tensors here are far below the size from which on it pays."""


@pytest.fixture(params=["stretches", "plain"])
def mode(request, compiled_stretches):
    """Runs a test with the kernels' fused forms, and with their plain definitions."""
    with compile_as(request.param):
        yield request.param


@pytest.fixture(scope="session")
def x() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, 12, 16)).astype(np.float32)


@pytest.fixture(scope="session")
def padding_mask() -> np.ndarray:
    return (np.arange(12) < np.array([[12], [7]])).astype(np.int32)


@pytest.fixture(scope="session")
def upstream() -> np.ndarray:
    """Weights of the outputs in the sum whose gradient is taken."""
    return np.random.default_rng(2).normal(size=(2, 12, 16)).astype(np.float32)
