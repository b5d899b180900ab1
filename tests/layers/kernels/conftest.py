"""Comparing the forms of a kernel: values and gradients, in float32 and bfloat16."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

# Relative to the largest value or gradient of a tensor.
TOLERANCES = {tf.float32: 1e-5, tf.bfloat16: 2e-2}


def _scaled(value, expected):
    scale = np.abs(expected).max() or 1.0
    return tf.cast(value, tf.float32).numpy() / scale, np.asarray(expected) / scale


@pytest.fixture(scope="session")
def forms_agree() -> Callable:
    """Asserts that all forms of a kernel are the plain definition in float32, but for rounding.

    Call it as `forms_agree(kernel, dtype, *tensors, **options)`, with the floating-point tensors in
    float32; `wide` names the indices of those that stay float32 whatever the dtype.
    """

    def run(form, tensors, options):
        floating = [tensor for tensor in tensors if tensor.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(floating)
            result = form(*tensors, **options)
            result = tf.stack(result) if isinstance(result, list) else result
        upstream = np.random.default_rng(9).normal(size=result.shape)
        return [result, *tape.gradient(result, floating, tf.cast(upstream, result.dtype))]

    def check(kernel, dtype, *tensors, wide=(), **options):
        tensors = [tf.convert_to_tensor(tensor) for tensor in tensors]
        narrow = [
            tf.cast(t, dtype) if t.dtype.is_floating and i not in wide else t
            for i, t in enumerate(tensors)
        ]
        rounded = [
            tf.cast(n, tf.float32) if n.dtype.is_floating else n for n in narrow
        ]  # what the narrow tensors contain
        expected = run(kernel.plain, rounded, options)
        for form in (kernel.plain, *kernel.forms.values()):
            found = run(form, narrow, options)
            assert found[0].dtype == dtype
            for value, wanted in zip(found, expected, strict=True):
                value, wanted = _scaled(value, wanted)
                np.testing.assert_allclose(value, wanted, atol=TOLERANCES[dtype])

    return check


@pytest.fixture(scope="session")
def normal() -> Callable:
    """Normal float32 numbers of a shape, other ones at each call."""
    random = np.random.default_rng(3)
    return lambda *shape: random.normal(size=shape).astype(np.float32)
