"""Predicting with a task's model: what is traced, and what is computed."""

import numpy as np
import pytest
import tensorflow as tf
from task_files import task_with
from tiny_objectives import make_objective

from lvbert_tf.finetuning.learning import prediction
from lvbert_tf.finetuning.learning.prediction import Predictor
from lvbert_tf.finetuning.parts import PredictionSettings
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS
from lvbert_tf.training import batch_parts

TASK = """
kind = "classification"
labels = ["bad", "good"]
metric = "accuracy"
files = {train = "train.tsv", dev = "train.tsv"}
columns = {text = "text", label = "class"}
"""
ROWS = "class\ttext\n" + "good\ta fine film\nbad\tdull\n" * 3


@pytest.fixture(scope="module")
def objective(tmp_path_factory):
    files = {"task.toml": TASK, "train.tsv": ROWS}
    task = task_with(tmp_path_factory.mktemp("data"), "films", files)
    return make_objective(task, [*SPECIAL_TOKENS, "a", "fine", "dull", "film"])


@pytest.fixture
def calls(objective, monkeypatch):
    """(whether a graph was traced, rows) of each call of the model."""
    seen, forward = [], objective.forward

    def watched(batch, training):
        seen.append((tf.inside_function(), batch["token_ids"].shape[0]))
        return forward(batch, training)

    monkeypatch.setattr(objective, "forward", watched)
    return seen


def predictions(objective, batch_size, strategy=None):
    settings = PredictionSettings(eval_batch_size=batch_size, bucket_by_length=True)
    predictor = Predictor(strategy or tf.distribute.get_strategy(), objective, settings)
    examples = objective.task.read("train").examples
    return predictor.predict(examples, "dev", "rows")


def test_one_batch_is_computed_as_it_is_and_several_by_one_graph(objective, calls):
    at_once = predictions(objective, batch_size=32)
    assert calls == [(False, 6)]
    calls.clear()
    in_parts = predictions(objective, batch_size=4)
    assert calls == [(True, 4)]
    assert [row["label"] for row in at_once.predictions] == [
        row["label"] for row in in_parts.predictions
    ]
    for row, other in zip(at_once.predictions, in_parts.predictions, strict=True):
        np.testing.assert_allclose(
            list(row["probabilities"].values()), list(other["probabilities"].values()), atol=1e-6
        )
    assert at_once.loss == pytest.approx(in_parts.loss, abs=1e-6)


@pytest.fixture
def two_parts(monkeypatch):
    """Two cores, and operations with one thread."""
    monkeypatch.setattr(batch_parts, "_parts_on_cores", lambda rows: 1 if rows % 2 else 2)
    threading = tf.config.threading
    monkeypatch.setattr(threading, "get_intra_op_parallelism_threads", lambda: 1)


def test_parts_on_two_cores_have_the_predictions_of_the_whole(objective, calls, two_parts):
    whole = predictions(objective, batch_size=3)
    assert calls == [(True, 3)]
    calls.clear()
    in_parts = predictions(objective, batch_size=4)
    assert calls == [(True, 2)]  # traced once for both
    assert in_parts.loss == pytest.approx(whole.loss, abs=1e-6)
    for row, other in zip(in_parts.predictions, whole.predictions, strict=True):
        assert row["label"] == other["label"]
        assert row["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)


def test_a_single_large_batch_is_computed_in_parts(objective, calls, two_parts, monkeypatch):
    assert len(predictions(objective, batch_size=64).predictions) == 6
    assert calls == [(False, 6)]
    calls.clear()
    monkeypatch.setattr(prediction, "_MOST_ROWS_UNTRACED", 5)
    assert len(predictions(objective, batch_size=64).predictions) == 6
    assert calls == [(True, 3)]
