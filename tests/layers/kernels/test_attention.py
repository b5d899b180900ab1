"""The kernels of attention: their forms against each other, and against Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers.kernels import Draw, attend, project_to_heads

BATCH, LENGTH, WIDTH, HEADS, HEAD_DIM = 2, 5, 7, 2, 4


@pytest.fixture(scope="module")
def arguments(normal):
    columns = 3 * HEADS * HEAD_DIM
    return normal(BATCH, LENGTH, WIDTH), normal(WIDTH, columns), normal(columns)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_forms_of_the_projection(forms_agree, dtype, arguments):
    forms_agree(project_to_heads, dtype, *arguments, wide=(2,), parts=3, num_heads=HEADS)


def test_the_projection_against_einsum_dense_of_keras(arguments):
    x, matrix, bias = arguments
    shape = (HEADS, HEAD_DIM)
    parts = project_to_heads(x, matrix, bias, parts=3, num_heads=HEADS)
    for index, part in enumerate(parts):
        layer = keras.layers.EinsumDense("blc,chd->bhld", (HEADS, LENGTH, HEAD_DIM), bias_axes="hd")
        layer.build(x.shape)
        columns = slice(index * HEADS * HEAD_DIM, (index + 1) * HEADS * HEAD_DIM)
        layer.kernel.assign(matrix[:, columns].reshape(WIDTH, *shape))
        layer.bias.assign(bias[columns].reshape(layer.bias.shape))
        np.testing.assert_allclose(part, layer(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
@pytest.mark.parametrize("rate", [None, 0.25])
def test_forms_of_attention(forms_agree, normal, dtype, rate):
    visible = np.ones([BATCH, 1, 1, LENGTH], np.int32)
    visible[1, ..., 3:] = 0
    draw = None if rate is None else Draw(tf.constant([5, 6], tf.uint32), rate)
    query, key, value = (normal(BATCH, HEADS, LENGTH, HEAD_DIM) for _ in range(3))
    forms_agree(attend, dtype, query, key, value, visible, scale=0.5, draw=draw)


def test_attention_against_keras(normal):
    query, key, value = (normal(BATCH, HEADS, LENGTH, HEAD_DIM) for _ in range(3))
    ours = attend(query, key, value, np.ones([1, 1, 1, LENGTH], np.int32), scale=0.5)
    swapped = (np.swapaxes(each, 1, 2) for each in (query, key, value))  # heads after the length
    theirs = keras.ops.dot_product_attention(*swapped, scale=0.5)
    np.testing.assert_allclose(ours, np.swapaxes(theirs, 1, 2), rtol=1e-5, atol=1e-5)
