"""The two ends of the networks: embeddings, and the heads of pre-training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers import Embeddings, LayerNorm
from lvbert_tf.layers.heads import MaskedLMHead, ReplacedTokenHead

IDS = np.array([[3, 1, 4, 1], [5, 9, 2, 6]], np.int32)
SEGMENTS = np.array([[0, 0, 1, 2], [0, 1, 1, 1]], np.int32)


def normalized(x, layer):
    centered = x - x.mean(-1, keepdims=True)
    return centered / np.sqrt(x.var(-1, keepdims=True)) * layer.gamma + layer.beta


def gelu(x):
    return x * 0.5 * (1.0 + tf.math.erf(x / np.sqrt(2.0)).numpy())


@pytest.fixture(scope="module")
def embeddings(randomize):
    layer = Embeddings(10, 16, max_sequence_length=6, num_segments=3, dropout=0.1)
    layer.build((None, None), (None, None))
    return randomize(layer)


@pytest.mark.usefixtures("mode")
def test_embeddings_are_the_sum_of_three_tables(embeddings):
    tokens, segments, positions = (
        np.asarray(table)
        for table in (embeddings.token_table, embeddings.segment_table, embeddings.position_table)
    )
    expected = normalized(tokens[IDS] + segments[SEGMENTS] + positions[:4], embeddings.layer_norm)
    np.testing.assert_allclose(embeddings(IDS, SEGMENTS), expected, rtol=1e-5, atol=1e-5)


def test_embeddings_have_dropout_in_training(embeddings):
    outputs = [embeddings(IDS, SEGMENTS, training=True).numpy() for _ in range(2)]
    assert all(np.any(output == 0) for output in outputs)
    assert np.any(outputs[0] != outputs[1])


def test_sequences_longer_than_the_position_table_are_refused(embeddings):
    with pytest.raises(ValueError, match="sequence of length 7 exceeds max_sequence_length 6"):
        embeddings(np.ones((1, 7), np.int32), np.zeros((1, 7), np.int32))


def test_embeddings_config_round_trip(embeddings):
    again = Embeddings.from_config(embeddings.get_config())
    assert again.get_config() == embeddings.get_config()


@pytest.mark.usefixtures("mode")
def test_layer_norm(x, upstream, randomize, value_and_gradients):
    ours, theirs = LayerNorm(epsilon=1e-12), keras.layers.LayerNormalization(epsilon=1e-12)
    for layer in (ours, theirs):
        layer.build(x.shape)
        randomize(layer)
    result, [gradient] = value_and_gradients(ours, [x], upstream)
    expected, [expected_gradient] = value_and_gradients(theirs, [x], upstream)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-5)


@pytest.mark.usefixtures("mode")
def test_masked_lm_head(x, randomize):
    head = MaskedLMHead(10, 8)
    head.build(x.shape)
    randomize(head)
    table = np.random.default_rng(3).normal(size=(10, 8)).astype(np.float32)
    hidden = gelu(x @ np.asarray(head.dense.kernel) + np.asarray(head.dense.bias))
    expected = normalized(hidden, head.layer_norm) @ table.T + head.output_bias
    np.testing.assert_allclose(head.logits(head(x), table), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("mode")
def test_replaced_token_head(x, randomize):
    head = ReplacedTokenHead(16)
    head.build(x.shape)
    randomize(head)
    hidden = gelu(x @ np.asarray(head.dense.kernel) + np.asarray(head.dense.bias))
    expected = hidden @ np.asarray(head.logit.kernel) + np.asarray(head.logit.bias)
    logits = head(x)
    np.testing.assert_allclose(logits, expected[..., 0], rtol=1e-5, atol=1e-5)
    half = ReplacedTokenHead(16, dtype="mixed_bfloat16")
    assert half(x).dtype == tf.float32


def test_heads_config_round_trip():
    for head in (MaskedLMHead(10, 8), ReplacedTokenHead(16)):
        assert type(head).from_config(head.get_config()).get_config() == head.get_config()
