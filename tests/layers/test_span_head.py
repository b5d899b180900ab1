"""The head of question answering against the reference's formulas, concatenations and all."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers.span_head import SpanHead, answer_mask

LENGTH, BEAM = 12, 5
GOLD_STARTS = np.array([6, 0], np.int32)
SEGMENTS = np.array([[0] * 4 + [1] * 8, [0] * 3 + [1] * 4 + [0] * 5], np.int32)
NO_ANSWERS = [None, "likely_starts", "first_vector", "span"]


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    real = (np.arange(LENGTH) < np.array([[12], [7]])).astype(np.int32)
    return np.asarray(answer_mask(tf.constant(SEGMENTS), tf.constant(real)))


@pytest.fixture(scope="module")
def make_head(x, mask, randomize):
    def make(**settings) -> SpanHead:
        head = SpanHead(**settings)
        head.build(x.shape, mask.shape)
        return randomize(head)

    return make


def gelu(x):
    return x * 0.5 * (1.0 + tf.math.erf(x / np.sqrt(2.0)).numpy())


def apply(dense, x):
    return x @ np.asarray(dense.kernel) + np.asarray(dense.bias)


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def reference_end_logits(head, x, start, mask):
    """Of one row and one start: shape [length]."""
    if not head.joint:
        return apply(head.end_logit, x)[:, 0] + 1000.0 * (mask - 1)
    tiled = np.concatenate([np.tile(x[start], [len(x), 1]), x], -1)
    return apply(head.end_logit, gelu(apply(head.end_hidden, tiled)))[:, 0] + 1000.0 * (mask - 1)


def reference_start_logits(head, x, mask):
    return apply(head.start_logit, x)[:, 0] + 1000.0 * (mask - 1)


def reference_classifier(head, x, start_logits):
    read = x[0]
    if head.no_answer == "likely_starts":
        read = np.concatenate([read, (np.exp(log_softmax(start_logits))[:, None] * x).sum(0)])
        read = gelu(apply(head.no_answer_hidden, read))
    return apply(head.no_answer_logit, read)[0]


def test_answers_are_in_the_context_or_at_cls(mask):
    np.testing.assert_array_equal(
        mask, [[1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1], [1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0]]
    )


@pytest.mark.usefixtures("mode")
@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("no_answer", NO_ANSWERS)
def test_logits_of_gold_starts(make_head, x, mask, joint, no_answer):
    head = make_head(joint=joint, no_answer=no_answer)
    outputs = head(x, mask, GOLD_STARTS)
    for row, gold in enumerate(GOLD_STARTS):
        start_logits = reference_start_logits(head, x[row], mask[row])
        np.testing.assert_allclose(outputs["start_logits"][row], start_logits, rtol=1e-5, atol=1e-4)
        end_logits = reference_end_logits(head, x[row], gold, mask[row])
        np.testing.assert_allclose(outputs["end_logits"][row], end_logits, rtol=1e-5, atol=1e-4)
        if head.classifies:
            expected = reference_classifier(head, x[row], start_logits)
            np.testing.assert_allclose(outputs["no_answer_score"][row], expected, rtol=1e-4)
    assert ("no_answer_score" in outputs) == head.classifies == (no_answer not in (None, "span"))


@pytest.mark.parametrize("beam_size", [BEAM, 20])
@pytest.mark.parametrize("no_answer", NO_ANSWERS)
@pytest.mark.parametrize("joint", [True, False])
def test_best_spans(make_head, x, mask, joint, no_answer, beam_size):
    """A beam of 20 is more than the 12 positions there are."""
    head = make_head(joint=joint, no_answer=no_answer, beam_size=beam_size)
    outputs = {name: value.numpy() for name, value in head(x, mask).items()}
    k = min(beam_size, LENGTH)
    score = log_softmax if joint else np.asarray
    for row in range(2):
        start_logits = reference_start_logits(head, x[row], mask[row])
        starts = np.argsort(-start_logits, kind="stable")[:k]
        np.testing.assert_array_equal(outputs["starts"][row], starts)
        np.testing.assert_allclose(
            outputs["start_scores"][row], score(start_logits)[starts], rtol=1e-4, atol=1e-4
        )
        for beam, start in enumerate(starts):
            end_logits = reference_end_logits(head, x[row], start, mask[row])
            ends = np.argsort(-end_logits, kind="stable")[:k]
            np.testing.assert_array_equal(outputs["ends"][row, beam], ends)
            np.testing.assert_allclose(
                outputs["end_scores"][row, beam], score(end_logits)[ends], rtol=1e-4, atol=1e-4
            )
        if no_answer == "span":
            end_logits = reference_end_logits(head, x[row], 0, mask[row])
            expected = score(start_logits)[0] + score(end_logits)[0]
            np.testing.assert_allclose(outputs["no_answer_score"][row], expected, rtol=1e-4)
        elif no_answer:
            expected = reference_classifier(head, x[row], start_logits)
            np.testing.assert_allclose(outputs["no_answer_score"][row], expected, rtol=1e-4)
    assert ("no_answer_score" in outputs) == (no_answer is not None)


def test_the_length_may_be_known_only_when_it_runs(make_head, x, mask):
    head = make_head(no_answer="likely_starts")
    expected = head(x, mask)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 16]),
            tf.TensorSpec([None, None], tf.int32),
        ]
    )
    def run(x, mask):
        return head(x, mask)

    for name, value in run(x, mask).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-4)


def test_half_precision_gives_float32_logits(x, mask):
    head = SpanHead(no_answer="likely_starts", dtype="mixed_bfloat16")
    assert {value.dtype for value in head(x, mask, GOLD_STARTS).values()} == {tf.float32}
    assert head(x, mask)["end_scores"].dtype == tf.float32


@pytest.mark.parametrize("no_answer", NO_ANSWERS)
@pytest.mark.parametrize("joint", [True, False])
def test_config_round_trip(joint, no_answer):
    head = SpanHead(joint, 7, no_answer)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    assert again.get_config() == head.get_config()
    assert (again.joint, again.beam_size, again.no_answer) == (joint, 7, no_answer)
