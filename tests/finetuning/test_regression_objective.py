"""Numbers of texts: features, losses and metrics against their formulas."""

import numpy as np
import pytest
from scipy import stats
from task_files import refusal, task_with
from tiny_objectives import make_objective, outputs_of, overfit, predict, whole_batch

from lvbert_tf.finetuning.objectives.features import model_inputs
from lvbert_tf.finetuning.objectives.regression import RegressionObjective
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

TASK = """
kind = "regression"
label_range = [-10, 30]
files = {train = "train.csv", dev = "dev.csv", test = "test.jsonl"}
columns = {text = "said", text_pair = "heard", label = "degrees"}
"""
TRAIN = """heard,degrees,said
cold,-10,very cold
cold,-2.5,cold
warm,12.5,warm
warm,30,very very warm
"""
# Not those of training, so that a column that is taken for another would show.
DEV = """degrees,said,heard
5,warm,cold
-4,very cold,warm
20,very warm,very
"""
TEST = '{"said": "warm", "heard": "very warm"}\n'
TOKENS = [*SPECIAL_TOKENS, "very", "warm", "cold"]
PAD, UNK, CLS, SEP, MASK, VERY, WARM, COLD = range(len(TOKENS))


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    files = {"task.toml": TASK, "train.csv": TRAIN, "dev.csv": DEV, "test.jsonl": TEST}
    return task_with(tmp_path_factory.mktemp("data"), "weather", files)


@pytest.fixture(scope="module")
def objective(task):
    return make_objective(task, TOKENS)


def test_features(task, objective):
    features = objective.features(task.read("dev").examples, "dev")
    assert features.tokens["token_ids"].to_list() == [
        [CLS, WARM, SEP, COLD, SEP],
        [CLS, VERY, COLD, SEP, WARM, SEP],
        [CLS, VERY, WARM, SEP, VERY, SEP],
    ]
    assert features.values["label"].numpy().tolist() == [5.0, -4.0, 20.0]
    features = objective.features(task.read("test").examples, "test")
    assert features.tokens["token_ids"].to_list() == [[CLS, WARM, SEP, VERY, WARM, SEP]]
    assert not features.values


def test_losses_are_squared_errors_of_labels_from_0_to_1(task, objective):
    model = objective.model
    features = objective.features(task.read("dev").examples, "dev")
    batch = whole_batch(features)
    first = model.backbone(model_inputs(batch))["pooled_output"].numpy()
    unit = (first @ model.output_dense.kernel.numpy() + model.output_dense.bias.numpy())[:, 0]
    expected = (unit - np.array([15, 6, 30]) / 40) ** 2
    losses = objective.losses(objective.forward(batch, training=False), batch)
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-6)
    outputs = outputs_of(objective, features)
    np.testing.assert_allclose(outputs["loss"], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(outputs["value"], -10 + 40 * unit, rtol=1e-4, atol=1e-4)


def test_predictions_are_in_the_units_of_the_file_and_not_clipped(task, objective):
    examples = task.read("dev").examples
    before = [prediction["value"] for prediction in predict(objective, examples)]
    bias = objective.model.output_dense.bias
    bias.assign_add([2.0])
    after = [prediction["value"] for prediction in predict(objective, examples)]
    bias.assign_add([-2.0])
    np.testing.assert_allclose(after, np.add(before, 80), rtol=1e-4)
    assert all(set(prediction) == {"value"} for prediction in predict(objective, examples))


def test_padding_does_not_change_a_prediction(task, objective):
    examples = task.read("train").examples
    together = predict(objective, examples)
    alone = [predict(objective, [example], length=7)[0] for example in examples]
    np.testing.assert_allclose(
        [p["value"] for p in together], [p["value"] for p in alone], rtol=1e-5, atol=1e-5
    )


def test_score(task, objective):
    examples = task.read("dev").examples
    values = [6.0, -4.0, 17.0]
    metrics = objective.score(examples, [{"value": value} for value in values])
    assert list(metrics) == ["pearson", "spearman", "mse"]
    assert metrics == pytest.approx(
        {
            "pearson": 100 * stats.pearsonr([5, -4, 20], values).statistic,
            "spearman": 100.0,
            "mse": (1 + 0 + 9) / 3,
        }
    )


def test_it_learns(task):
    objective = make_objective(task, TOKENS)
    examples = task.read("train").examples
    first, last = overfit(objective, examples)
    assert last < 0.01 * first
    values = [prediction["value"] for prediction in predict(objective, examples)]
    np.testing.assert_allclose(values, [-10, -2.5, 12.5, 30], atol=2)
    assert objective.score(examples, [{"value": value} for value in values])["pearson"] > 99


def test_a_model_of_another_range_is_refused(task, objective, tmp_path):
    files = {"task.toml": TASK.replace("-10", "-20"), "train.csv": TRAIN}
    other = task_with(tmp_path, "weather", files)
    assert refusal(RegressionObjective, other, objective.model) == (
        "weather: label_range is [-20.0, 30.0], but the model has learned [-10.0, 30.0]"
    )
