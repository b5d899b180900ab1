import numpy as np
import pytest
import tensorflow as tf
from tiny_run import LENGTH, SPECIAL, VOCABULARY, hparams, vocabulary_size

from lvbert_tf.pretraining.learner import Learner
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.text.vocabulary import Vocabulary
from lvbert_tf.training.checkpoints import Checkpoints
from lvbert_tf.training.lamb import Lamb
from lvbert_tf.training.optimizer import ReferenceAdam

MOMENTS = {"adam_beta_1": 0.8, "adam_beta_2": 0.98, "adam_epsilon": 1e-5}


def build(precision="float32", **changes):
    config = PretrainingConfig.create("data", "m", hparams(**changes))
    return Learner.build(
        tf.distribute.get_strategy(),
        Vocabulary.load(VOCABULARY),
        config.networks,
        config.objective,
        config.optimisation,
        config.step,
        precision,
    )


@pytest.mark.parametrize(("name", "kind"), [("adam", ReferenceAdam), ("lamb", Lamb)])
def test_the_optimiser_is_the_one_that_the_hparams_describe(name, kind):
    changes = {"optimizer": name, "weight_decay_rate": 0.2, "clip_norm": 0.7, **MOMENTS}
    learner = build(**changes)
    optimizer = learner.steps.optimizer
    assert type(optimizer) is kind
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == tuple(MOMENTS.values())
    assert optimizer.weight_decay_rate == 0.2
    assert learner.steps.clip_norm == 0.7


def batches():
    ids = tf.random.stateless_uniform([32, LENGTH], [1, 2], SPECIAL, vocabulary_size(), tf.int32)
    features = {"input_ids": ids, "input_mask": ids * 0 + 1, "segment_ids": ids * 0}
    return iter(tf.data.Dataset.from_tensor_slices(features).batch(8, drop_remainder=True).repeat())


def test_a_run_in_float16_continues_bit_for_bit(tmp_path):
    """The scale falls in the first steps, and is restored with the rest."""
    one_layer = {"custom_layer_list": "F", "generator_layer_list": "F"}
    whole, begun, continued = (build("float16", **one_layer) for _ in range(3))
    expected = whole.steps.run(batches(), 9)
    assert expected.overflow[0] and not expected.overflow[5]

    begun.steps.run(batches(), 6)
    Checkpoints(tmp_path, 1, **begun.saved_state()).save(6)
    assert Checkpoints(tmp_path, 1, **continued.saved_state()).restore_latest(print) == 6
    source = batches()
    for _ in range(6):
        next(source)
    records = continued.steps.run(source, 3)
    np.testing.assert_array_equal(records.loss, expected.loss[6:])
    np.testing.assert_array_equal(records.gradient_norm, expected.gradient_norm[6:])
    restored, kept = continued.steps.loss_scale, whole.steps.loss_scale
    assert float(restored.scale) == float(kept.scale) < kept.initial
    assert int(restored.finite_steps) == int(kept.finite_steps) > 3
    assert continued.weights_digest() == whole.weights_digest()
