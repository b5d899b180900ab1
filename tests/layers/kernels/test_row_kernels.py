"""Reductions within rows and over rows: the forms that are fast on CPUs against TensorFlow's."""

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers.kernels import rows

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


def test_the_gradient_of_a_row_is_that_of_the_other_tensor_summed(normal):
    x, row = tf.constant(normal(3, 5, 4)), tf.constant(normal(4))
    with tf.GradientTape() as tape:
        tape.watch([x, row])
        same_x, same_row = rows.with_gradient_of(x, row)
        loss = tf.reduce_sum(tf.square(same_x))
    of_x, of_row = tape.gradient(loss, [x, row])
    np.testing.assert_array_equal(same_x, x)
    np.testing.assert_array_equal(same_row, row)
    np.testing.assert_allclose(of_x, 2 * x, rtol=1e-6)
    np.testing.assert_allclose(of_row, tf.reduce_sum(2 * x, (0, 1)), rtol=1e-5)
