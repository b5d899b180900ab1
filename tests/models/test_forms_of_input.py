"""What preprocessors and tasks take: the forms that KerasHub's own classifier takes, as it shows."""

import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertSpanPredictor,
    LVBertSpanPredictorPreprocessor,
    LVBertTextClassifier,
    LVBertTextClassifierPreprocessor,
    LVBertTextRegressor,
    LVBertTokenizer,
    LVBertTokenTagger,
    LVBertTokenTaggerPreprocessor,
)
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

TOKENS = [*SPECIAL_TOKENS, "who", "ann", "sings", "a", "song"]
TEXTS, OTHERS = ["ann sings", "song"], ["a song who", "ann"]
LENGTH = 8
SHAPE = {"num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
# What stands for the two rows, or for the first alone.
BATCHES = {
    "list": list,
    "array": np.array,
    "objects": lambda rows: np.array(rows, object),
    "bytes": lambda rows: np.array([row.encode() for row in rows]),
    "tensor": tf.constant,
}
ROWS = {
    "string": lambda rows: rows[0],
    "numpy string": lambda rows: np.str_(rows[0]),
    "bytes": lambda rows: rows[0].encode(),
    "tensor": lambda rows: tf.constant(rows[0]),
    "array": lambda rows: np.array(rows[0]),
}
LABELS = {
    "hub": [0, 1],
    "classifier": [0, 1],
    "regressor": [0.0, 1.0],
    "tagger": ["NOUN VERB", "NOUN"],
}
KINDS = (*LABELS, "span")


def make_task(kind):
    if kind == "hub":
        tokenizer = keras_hub.tokenizers.BertTokenizer(vocabulary=TOKENS, lowercase=True)
        backbone = keras_hub.models.BertBackbone(len(TOKENS), 1, 2, 8, 16, max_sequence_length=8)
        texts = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=LENGTH)
        return keras_hub.models.BertTextClassifier(backbone, 2, texts)
    backbone = LVBertBackbone(len(TOKENS), "CA", **SHAPE, max_sequence_length=LENGTH)
    tokenizer = LVBertTokenizer(TOKENS)
    if kind == "tagger":
        words = LVBertTokenTaggerPreprocessor(tokenizer, LENGTH)
        return LVBertTokenTagger(backbone, ["NOUN", "VERB"], words)
    if kind == "span":
        pairs = LVBertSpanPredictorPreprocessor(tokenizer, LENGTH, max_query_length=3)
        return LVBertSpanPredictor(backbone, pairs, beam_size=2)
    texts = LVBertTextClassifierPreprocessor(tokenizer, LENGTH)
    if kind == "regressor":
        return LVBertTextRegressor(backbone, preprocessor=texts)
    return LVBertTextClassifier(backbone, 2, texts)


@pytest.fixture(scope="module")
def tasks():
    """Of every kind one, which trains without a graph; the data pipeline has one all the same."""
    made = {kind: make_task(kind) for kind in KINDS}
    for kind in LABELS:
        made[kind].compile(run_eagerly=True)
    return made


def texts_of(kind, form):
    return (form(TEXTS), form(OTHERS)) if kind == "span" else form(TEXTS)


def dataset(kind, *more, batch=None):
    rows = (texts_of(kind, list), *more)
    made = tf.data.Dataset.from_tensor_slices(rows if more or kind == "span" else rows[0])
    return made.batch(batch) if batch else made


def arrays(made):
    return tf.nest.map_structure(np.asarray, made)


def assert_equal(made, expected):
    tf.nest.map_structure(np.testing.assert_array_equal, arrays(made), arrays(expected))


def expected_inputs(task, kind):
    return arrays(task.preprocessor(texts_of(kind, list), y=None))


def first(made):
    return tf.nest.map_structure(lambda value: value[0], made)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", BATCHES)
def test_a_batch_in_any_form(kind, form, tasks):
    task = tasks[kind]
    expected = expected_inputs(task, kind)
    assert {name: value.shape for name, value in expected.items()} == dict.fromkeys(
        ("token_ids", "segment_ids", "padding_mask"), (2, LENGTH)
    )
    texts = texts_of(kind, BATCHES[form])
    assert_equal(task.preprocessor(texts), expected)
    assert_equal(task.preprocessor(x=texts), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ROWS)
def test_one_string_has_no_batch(kind, form, tasks):
    task = tasks[kind]
    made = task.preprocessor(texts_of(kind, ROWS[form]))
    assert_equal(made, first(expected_inputs(task, kind)))


@pytest.mark.parametrize(
    ("kind", "weights"),
    [*((kind, [1.0, 0.5]) for kind in LABELS), ("classifier", None), ("tagger", None)],
)
def test_labels_and_weights_in_any_form(kind, weights, tasks):
    preprocess = tasks[kind].preprocessor
    labels = np.array(LABELS[kind])
    more = (labels,) if weights is None else (labels, np.array(weights, np.float32))
    expected = arrays(preprocess(TEXTS, *more))
    assert len(expected) == (3 if kind == "tagger" else 1 + len(more))
    assert_equal(preprocess((TEXTS, *more)), expected)
    assert_equal(preprocess(TEXTS, y=labels, sample_weight=more[1] if weights else None), expected)
    (batched,) = dataset(kind, *more, batch=2).map(preprocess)
    assert_equal(batched, expected)
    rows = dataset(kind, *more).map(preprocess)
    for index, row in enumerate(rows):
        assert_equal(row, tf.nest.map_structure(lambda value, i=index: value[i], expected))
    assert_equal(next(iter(rows.batch(2))), expected)
    one = preprocess(TEXTS[0], *(values[0] for values in more))
    assert_equal(one, first(expected))


@pytest.mark.parametrize("kind", KINDS)
def test_datasets_of_texts(kind, tasks):
    task = tasks[kind]
    expected = expected_inputs(task, kind)
    preprocess = task.preprocessor
    made = [dataset(kind).map(preprocess).batch(2), dataset(kind).batch(2).map(preprocess)]
    if kind == "span":  # a dataset of pairs calls with two arguments
        made.append(tf.data.Dataset.from_tensor_slices((TEXTS, OTHERS)).map(preprocess).batch(2))
    for rows in made:
        assert_equal(next(iter(rows)), expected)
    by_list, by_tensor, by_dataset = (
        arrays(task.predict(source, verbose=0))
        for source in (texts_of(kind, list), texts_of(kind, tf.constant), dataset(kind, batch=2))
    )
    for other in (by_tensor, by_dataset):
        tf.nest.map_structure(np.testing.assert_array_equal, other, by_list)


@pytest.mark.parametrize("kind", LABELS)
def test_tasks_learn_and_are_evaluated_with_any_of_them(kind, tasks):
    task, labels = tasks[kind], LABELS[kind]
    weights = np.array([1.0, 0.5])
    batches = {"x": dataset(kind, labels, weights, batch=2)}
    for arguments in ({"x": TEXTS, "y": labels}, batches):
        assert np.isfinite(task.fit(**arguments, verbose=0).history["loss"][0])
    arguments = {"x": np.array(TEXTS), "y": np.array(labels), "sample_weight": weights}
    by_array, by_dataset = (task.evaluate(**a, verbose=0)[0] for a in (arguments, batches))
    assert np.isfinite(by_array) and by_array == pytest.approx(by_dataset, rel=1e-4)


@pytest.mark.parametrize("kind", ["tagger", "span"])
def test_a_batch_of_none(kind, tasks):
    made = tasks[kind].preprocessor(texts_of(kind, lambda rows: tf.constant(rows[:0], tf.string)))
    assert {tuple(value.shape) for value in made.values()} == {(0, LENGTH)}


@pytest.mark.parametrize(
    "kind, arguments, said",
    [
        ("tagger", ((TEXTS, OTHERS), None), "sentences: expected a string .* got a tuple of 2"),
        ("tagger", ({"text": TEXTS},), "sentences: expected .* got a dict"),
        ("tagger", ([1, 2],), "sentences: expected .* got a list"),
        ("tagger", (np.array([1, 2]),), "got a ndarray of int64 and shape \\(2,\\)"),
        ("tagger", ([TEXTS],), "sentences: expected .* of string and shape \\(1, 2\\)"),
        ("tagger", (TEXTS, [0, 1]), "tags: expected .* got a list"),
        ("span", (TEXTS,), "expected questions and contexts"),
        ("span", ((TEXTS, OTHERS, TEXTS),), "expected questions and contexts"),
        ("span", ((TEXTS, [1, 2]), None), "contexts: expected .* got a list"),
    ],
)
def test_what_is_none_of_them(kind, arguments, said, tasks):
    with pytest.raises(InputError, match=said):
        tasks[kind].preprocessor(*arguments)


def test_ragged_rows_of_texts(tasks):
    with pytest.raises(InputError, match=r"sentences: expected .* got a RaggedTensor"):
        tasks["tagger"].preprocessor(tf.ragged.constant([TEXTS]))


def test_tagging_takes_any_of_them(tasks):
    tagger = tasks["tagger"]
    expected = tagger.tag(TEXTS)
    assert [[word for word, _ in row] for row in expected] == [["ann", "sings"], ["song"]]
    for form in (tuple, BATCHES["bytes"]):
        assert tagger.tag(form(TEXTS)) == expected
    for form in (ROWS["string"], ROWS["tensor"]):
        assert tagger.tag(form(TEXTS)) == expected[0]
    assert tagger.tag([]) == []
    assert tagger.tag("") == []
    with pytest.raises(InputError, match="sentences: expected"):
        tagger.tag([TEXTS])
