"""Activations, softmax and layer normalisation: fused forms against the formulas."""

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers.kernels import (
    Draw,
    add_norm,
    bias_gelu,
    gated_linear_unit,
    gelu_product,
    layer_norm,
    masked_softmax,
)

BOTH_TYPES = pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
SHAPES = pytest.mark.parametrize("shape", [(2, 12, 16), (1, 3, 7)])
RATES = pytest.mark.parametrize("rate", [None, 0.25])


def draw_at(rate):
    return None if rate is None else Draw(tf.constant([5, 6], tf.uint32), rate)


@BOTH_TYPES
@SHAPES
def test_bias_gelu(forms_agree, normal, dtype, shape):
    forms_agree(bias_gelu, dtype, 2 * normal(*shape), normal(shape[-1]))


@BOTH_TYPES
def test_gelu_product(forms_agree, normal, dtype):
    forms_agree(gelu_product, dtype, 2 * normal(12, 16), normal(16), normal(16, 8) / 4)


@BOTH_TYPES
@SHAPES
@pytest.mark.parametrize("window", [(4, 4), (2, 0)])
def test_gated_linear_unit(forms_agree, normal, dtype, shape, window):
    batch, length, width = shape
    mask = (normal(batch, length) > -0.5).astype(np.int32)
    product, bias = normal(batch, length, 2, width), normal(2, width)
    forms_agree(gated_linear_unit, dtype, product, bias, mask, window=window)


@BOTH_TYPES
@RATES
@pytest.mark.parametrize("shape", [(2, 2, 12, 12), (1, 4, 3, 7)])
def test_masked_softmax(forms_agree, normal, dtype, rate, shape):
    visible = (normal(shape[0], 1, 1, shape[-1]) > -0.5).astype(np.int32)
    forms_agree(masked_softmax, dtype, normal(*shape), visible, scale=0.5, draw=draw_at(rate))


@BOTH_TYPES
@SHAPES
def test_layer_norm(forms_agree, normal, dtype, shape):
    gamma, beta = normal(shape[-1]), normal(shape[-1])
    forms_agree(layer_norm, dtype, normal(*shape), gamma, beta, wide=(1, 2), epsilon=1e-12)


@BOTH_TYPES
@RATES
@SHAPES
def test_add_norm(forms_agree, normal, dtype, rate, shape):
    x, bias, residual = normal(*shape), normal(shape[-1]), normal(*shape)
    gamma, beta = normal(shape[-1]), normal(shape[-1])
    options = {"epsilon": 1e-12, "draw": draw_at(rate)}
    forms_agree(add_norm, dtype, x, bias, residual, gamma, beta, wide=(3, 4), **options)
