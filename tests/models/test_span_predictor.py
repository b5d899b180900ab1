"""The KerasHub task of question answering as a notebook uses it."""

import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.layers.span_head import answer_mask
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertSpanPredictor,
    LVBertSpanPredictorPreprocessor,
    LVBertTokenizer,
)
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

TOKENS = [*SPECIAL_TOKENS, "who", "where", "a", "b", "c", "d", "##g"]
PAD, UNK, CLS, SEP, MASK, WHO, WHERE, A, B, C, D, G = range(len(TOKENS))
LONG = "A ag  É🎤 b, c d b ag c!"  # 12 tokens


@pytest.fixture(scope="module")
def preset(tmp_path_factory, randomize):
    """A backbone and a tokenizer, as pre-training leaves them."""
    directory = str(tmp_path_factory.mktemp("span") / "preset")
    backbone = LVBertBackbone(len(TOKENS), "CAF", 2, 16, 32, max_sequence_length=12)
    randomize(backbone).save_to_preset(directory)
    LVBertTokenizer(TOKENS).save_to_preset(directory)
    return directory


@pytest.fixture(scope="module")
def make_predictor(preset, randomize):
    def make(**settings) -> LVBertSpanPredictor:
        preprocessor = LVBertSpanPredictorPreprocessor.from_preset(
            preset, sequence_length=12, max_query_length=2, doc_stride=3
        )
        predictor = LVBertSpanPredictor.from_preset(preset, preprocessor=preprocessor, **settings)
        randomize(predictor.span_head)
        return predictor

    return make


def test_pairs_become_the_references_inputs(preset):
    preprocess = LVBertSpanPredictorPreprocessor.from_preset(
        preset, sequence_length=10, max_query_length=2
    )
    inputs = preprocess((["who", "WHERE who who"], ["ag b", "a b c d a b c d"]), None)
    np.testing.assert_array_equal(
        inputs["token_ids"],
        [[CLS, WHO, SEP, A, G, B, SEP, PAD, PAD, PAD], [CLS, WHERE, WHO, SEP, A, B, C, D, A, SEP]],
    )
    np.testing.assert_array_equal(
        inputs["segment_ids"], [[0, 0, 0, 1, 1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]]
    )
    np.testing.assert_array_equal(inputs["padding_mask"], [[1] * 7 + [0] * 3, [1] * 10])


def test_outputs_are_the_heads(make_predictor):
    predictor = make_predictor(beam_size=3, no_answer="likely_starts")
    pairs = (["who", "where"], ["ag b", "a b c d a b c d"])
    inputs = predictor.preprocessor(pairs, None)
    vectors = predictor.backbone(inputs)["sequence_output"]
    mask = answer_mask(inputs["segment_ids"], inputs["padding_mask"])
    expected = predictor.span_head(vectors, mask)
    found = predictor.predict(pairs)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4)
    gold = tf.constant([3, 0])
    logits = predictor.span_head(vectors, mask, gold)
    for name, value in predictor.training_logits(inputs, gold).items():
        np.testing.assert_allclose(value, logits[name], atol=1e-4)


@pytest.mark.parametrize(
    ("joint", "no_answer"),
    [(True, None), (True, "likely_starts"), (True, "span"), (False, "first_vector")],
)
def test_an_answer_is_the_best_span_of_all_windows(make_predictor, joint, no_answer):
    """A beam of all positions, so that the best of all spans can be found by trying each one."""
    predictor = make_predictor(joint=joint, no_answer=no_answer, beam_size=12, max_answer_length=2)
    answer = predictor.answer("Who?", LONG)
    windows = predictor.preprocessor.windows(["Who?"], [LONG])
    assert len(windows.lengths) == 3
    score = tf.nn.log_softmax if joint else tf.identity
    best = (-np.inf, None)
    for row, (start, length) in enumerate(zip(windows.start, windows.length, strict=True)):
        firsts = tf.range(length)
        inputs = windows.batch(tf.fill([length], row), 12)
        logits = predictor.training_logits(inputs, 4 + firsts)
        starts, ends = (score(logits[f"{name}_logits"]).numpy() for name in ("start", "end"))
        for first in firsts.numpy():
            context = [min(t - s, s + n - 1 - t) for t, s, n in _around(windows, start + first)]
            if int(np.argmax(context)) != row:
                continue
            for last in range(first, min(first + 2, int(length))):
                value = float(starts[first, 4 + first] + ends[first, 4 + last])
                best = max(best, (value, (int(start) + first, int(start) + last)))
    characters = windows.characters(np.array([0]), *(np.array([place]) for place in best[1]))
    assert (answer["start"], answer["end"]) == tuple(int(place[0]) for place in characters)
    assert answer["answer"] == LONG[answer["start"] : answer["end"]] != ""
    np.testing.assert_allclose(answer["n_best"][0]["score"], best[0], atol=1e-3)
    assert ("no_answer_score" in answer) == (no_answer is not None)


def _around(windows, token):
    """The token, start and length for each window."""
    pairs = zip(windows.start.numpy(), windows.length.numpy(), strict=True)
    return [(int(token), int(start), int(length)) for start, length in pairs]


def test_presets_keep_the_settings(make_predictor, tmp_path):
    settings = {
        **{"joint": False, "beam_size": 4, "no_answer": "first_vector", "answerable_weight": 0.25},
        **{"n_best_size": 3, "max_answer_length": 5, "no_answer_threshold": 1.5},
    }
    predictor = make_predictor(**settings)
    predictor.save_to_preset(str(tmp_path / "tuned"))
    again = LVBertSpanPredictor.from_preset(str(tmp_path / "tuned"))
    assert {name: getattr(again, name) for name in settings} == settings
    preprocessor = again.preprocessor
    assert (preprocessor.sequence_length, preprocessor.max_query_length) == (12, 2)
    assert preprocessor.doc_stride == 3
    assert again.answer("Who?", LONG) == predictor.answer("Who?", LONG)


def test_a_sequence_is_no_longer_than_the_positions(preset):
    preprocessor = LVBertSpanPredictorPreprocessor.from_preset(preset)
    predictor = LVBertSpanPredictor.from_preset(preset, preprocessor=preprocessor)
    assert predictor.preprocessor.sequence_length == 12
    with pytest.raises(InputError, match="max_query_length 64 leaves no room for the context"):
        predictor.answer("Who?", LONG)
    with pytest.raises(InputError, match="answering needs a preprocessor"):
        LVBertSpanPredictor(predictor.backbone).answer("Who?", LONG)
    assert issubclass(LVBertSpanPredictor, keras_hub.models.Task)
