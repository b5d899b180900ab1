import numpy as np
import pytest
import tensorflow as tf
from tiny_run import LENGTH, hparams

from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.pretraining.evaluation import Evaluator
from lvbert_tf.pretraining.masking import MaskingSpec
from lvbert_tf.pretraining.objective import PretrainingObjective
from lvbert_tf.settings.pretraining import PretrainingConfig

VOCABULARY = 60
COMMON = 7


@pytest.fixture(scope="module")
def evaluator():
    config = PretrainingConfig.create(
        "data", "m", hparams(vocab_size=VOCABULARY, custom_layer_list="F", generator_layer_list="F")
    )
    pretrainer = ElectraPretrainer.from_networks(config.networks, dtype="float32")
    objective = PretrainingObjective.from_settings(
        config.objective, MaskingSpec(0.15, 2, 4, (2, 3, 4))
    )
    return Evaluator(tf.distribute.get_strategy(), pretrainer, objective)


def batches(rows=10):
    """Half of the tokens are the common one; the last batch is filled up with padding."""
    generator = np.random.default_rng(0)
    ids = generator.integers(5, VOCABULARY, (rows, LENGTH))
    ids = np.where(generator.random(ids.shape) < 0.5, COMMON, ids).astype(np.int32)
    mask = np.ones_like(ids)
    fill = -rows % 4
    ids, mask = (np.pad(values, [(0, fill), (0, 0)]) for values in (ids, mask))
    features = {"input_ids": ids, "input_mask": mask, "segment_ids": np.zeros_like(ids)}
    return tf.data.Dataset.from_tensor_slices(features).batch(4)


def test_every_evaluation_sees_the_same(evaluator):
    done = []
    first = evaluator.evaluate(batches(), 100, progress=done.append)
    assert done == [1, 2, 3]
    assert evaluator.evaluate(batches(), 100) == first
    assert first["examples"] == 10
    assert first["commonest_token_id"] == COMMON
    assert first["baseline_mlm_accuracy"] == pytest.approx(0.5, abs=0.25)
    assert first["baseline_disc_accuracy"] == 1 - first["fake_rate"]


def test_at_most_so_many_batches(evaluator):
    assert evaluator.evaluate(batches(), 2)["examples"] == 8


def test_padding_rows_count_nothing(evaluator):
    full = evaluator.evaluate(batches(8), 100)
    rows = [*batches(8), {name: tf.zeros([4, LENGTH], tf.int32) for name in next(iter(batches()))}]
    assert evaluator.evaluate(rows, 100) == full


def test_stops_when_asked(evaluator):
    answers = iter([False, True])
    assert evaluator.evaluate(batches(), 100, stopped=lambda: next(answers)) is None
