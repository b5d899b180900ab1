"""Classes of texts: features, losses and metrics against their formulas."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sklearn import metrics
from task_files import refusal, task_with
from tiny_objectives import make_objective, outputs_of, overfit, predict, whole_batch

from lvbert_tf.finetuning.objectives.classification import ClassificationObjective
from lvbert_tf.finetuning.objectives.features import model_inputs
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.finetuning.task_examples import RowLocation
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

# The order of the labels is neither that of the alphabet nor that of the rows.
TASK = """
kind = "classification"
labels = ["so", "bad", "good"]
metric = "mcc"
files = {train = "train.tsv", dev = "dev.tsv", test = "test.tsv"}
columns = {text = "text", label = "class"}
"""
TRAIN = "class\ttext\ngood\ta fine film\nbad\tdull\nso\ta film\nbad\ta dull film\n"
DEV = "class\ttext\nbad\tdull\ngood\ta fine\nso\ta\ngood\ta dull film\n"
TEST = "text\na fine film\n"
TOKENS = [*SPECIAL_TOKENS, "a", "fine", "dull", "film"]
PAD, UNK, CLS, SEP, MASK, A, FINE, DULL, FILM = range(len(TOKENS))


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    files = {"task.toml": TASK, "train.tsv": TRAIN, "dev.tsv": DEV, "test.tsv": TEST}
    return task_with(tmp_path_factory.mktemp("data"), "films", files)


@pytest.fixture(scope="module")
def objective(task):
    return make_objective(task, TOKENS)


def test_features(task, objective):
    features = objective.features(task.read("train").examples, "train")
    assert features.tokens["token_ids"].to_list() == [
        [CLS, A, FINE, FILM, SEP],
        [CLS, DULL, SEP],
        [CLS, A, FILM, SEP],
        [CLS, A, DULL, FILM, SEP],
    ]
    assert set(features.tokens["segment_ids"].values.numpy()) == {0}
    assert features.values["label"].numpy().tolist() == [2, 1, 0, 1]
    assert not objective.features(task.read("test").examples, "test").values


def test_a_model_of_texts_takes_no_pairs_and_one_of_pairs_no_texts(task, objective):
    one, *others = task.read("train").examples
    pair = replace(one, text_pair="a film", location=RowLocation("pairs.tsv", 7))
    said = refusal(objective.features, [*others, pair], "test")
    assert said == (
        "pairs.tsv, line 7: a pair of texts, but the model reads single ones; leave text_pair out"
    )
    new_model = partial(
        objective.new_model,
        task,
        backbone=objective.model.backbone,
        tokenizer=objective.preprocessor.tokenizer,
        settings=FinetuningConfig.create("data", "x", {}).head,
    )
    of_pairs = ClassificationObjective(task, new_model(examples=[pair]))
    said = refusal(of_pairs.features, [pair, one], "train")
    assert "train.tsv, line 2: a single text, but the model reads pairs; add text_pair" in said


def test_losses_are_cross_entropies(task, objective):
    model = objective.model
    features = objective.features(task.read("dev").examples, "dev")
    batch = whole_batch(features)
    first = model.backbone(model_inputs(batch))["pooled_output"].numpy()
    logits = first @ model.output_dense.kernel.numpy() + model.output_dense.bias.numpy()
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(probabilities[range(4), [1, 2, 0, 2]])
    losses = objective.losses(objective.forward(batch, training=False), batch)
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(outputs_of(objective, features)["loss"], expected, rtol=1e-4)


def test_probabilities_are_named_in_the_order_of_the_logits(task, objective):
    head = objective.model.output_dense
    kernel, bias = head.kernel.numpy(), head.bias.numpy()
    head.kernel.assign(np.zeros_like(kernel))
    head.bias.assign(np.log([0.2, 0.7, 0.1]))
    predictions = predict(objective, task.read("test").examples, "test")
    head.kernel.assign(kernel)
    head.bias.assign(bias)
    probabilities = pytest.approx({"so": 0.2, "bad": 0.7, "good": 0.1})
    assert predictions == [{"label": "bad", "probabilities": probabilities}]


def test_padding_does_not_change_a_prediction(task, objective):
    examples = task.read("train").examples
    together = predict(objective, examples)
    alone = [predict(objective, [example], length=7)[0] for example in examples]
    for one, other in zip(together, alone, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)


def test_score(task, objective):
    examples = task.read("dev").examples
    predicted = ["bad", "good", "so", "bad"]
    scores = objective.score(examples, [{"label": label} for label in predicted])
    assert list(scores) == ["mcc", "accuracy", "macro_f1"]
    references = ["bad", "good", "so", "good"]
    assert scores == pytest.approx(
        {
            "mcc": 100 * metrics.matthews_corrcoef(references, predicted),
            "accuracy": 75.0,
            "macro_f1": 100 * metrics.f1_score(references, predicted, average="macro"),
        }
    )


def test_it_learns(task):
    objective = make_objective(task, TOKENS)
    examples = task.read("train").examples
    first, last = overfit(objective, examples)
    assert last < 0.05 * first
    labels = [prediction["label"] for prediction in predict(objective, examples)]
    assert labels == ["good", "bad", "so", "bad"]


def test_a_model_with_another_order_of_labels_is_refused(task, objective, tmp_path):
    swapped = TASK.replace('"so", "bad"', '"bad", "so"')
    other = task_with(tmp_path, "films", {"task.toml": swapped, "train.tsv": TRAIN})
    assert refusal(ClassificationObjective, other, objective.model) == (
        "films: the labels are bad | so | good, but the model has learned so | bad | good"
    )
