"""Reductions within rows and over rows: the forms that are fast on CPUs against TensorFlow's."""

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers.kernels import compile_as, rows

BOTH_TYPES = pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
SHAPES = pytest.mark.parametrize("shape", [(2, 12, 16), (1, 7)])


@BOTH_TYPES
@SHAPES
@pytest.mark.parametrize("kernel", [rows.sum_in_rows, rows.max_in_rows])
def test_reductions_in_rows(forms_agree, normal, kernel, dtype, shape):
    forms_agree(kernel, dtype, normal(*shape))


@BOTH_TYPES
@SHAPES
def test_add_bias(forms_agree, normal, dtype, shape):
    forms_agree(rows.add_bias, dtype, normal(*shape), normal(shape[-1]), wide=(1,))


@pytest.mark.parametrize("mode", ["plain", "stretches"])
def test_the_gradient_of_a_row_is_that_of_the_other_tensor_summed(normal, mode):
    x, row = tf.constant(normal(3, 5, 4)), tf.constant(normal(4))
    with compile_as(mode), tf.GradientTape() as tape:
        tape.watch([x, row])
        same_x, same_row = rows.with_gradient_of(x, row)
        loss = tf.reduce_sum(tf.square(same_x))
    with compile_as(mode):
        of_x, of_row = tape.gradient(loss, [x, row])
    np.testing.assert_array_equal(same_x, x)
    np.testing.assert_array_equal(same_row, row)
    np.testing.assert_allclose(of_x, 2 * x, rtol=1e-6)
    np.testing.assert_allclose(of_row, tf.reduce_sum(2 * x, (0, 1)), rtol=1e-5)


def test_sixteen_bits_are_summed_over_rows_in_float32(normal):
    """Summed one by one in bfloat16, a sum of ones would stop at 256."""
    x, row = tf.ones([3000, 4], tf.bfloat16), tf.zeros([4])
    for form in (rows.sum_over_rows.plain, *rows.sum_over_rows.forms.values()):
        np.testing.assert_allclose(form(x, row), 3000, rtol=1e-2)
