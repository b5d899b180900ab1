import pytest
import tensorflow as tf
from tiny_run import VOCABULARY, hparams

from lvbert_tf.pretraining.learner import Learner
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.text.vocabulary import Vocabulary
from lvbert_tf.training.lamb import Lamb
from lvbert_tf.training.optimizer import ReferenceAdam

MOMENTS = {"adam_beta_1": 0.8, "adam_beta_2": 0.98, "adam_epsilon": 1e-5}


@pytest.mark.parametrize(("name", "kind"), [("adam", ReferenceAdam), ("lamb", Lamb)])
def test_the_optimiser_is_the_one_that_the_hparams_describe(name, kind):
    changes = {"optimizer": name, "weight_decay_rate": 0.2, "clip_norm": 0.7, **MOMENTS}
    config = PretrainingConfig.create("data", "m", hparams(**changes))
    learner = Learner.build(
        tf.distribute.get_strategy(),
        Vocabulary.load(VOCABULARY),
        config.networks,
        config.objective,
        config.optimisation,
        config.step,
        "float32",
    )
    optimizer = learner.steps.optimizer
    assert type(optimizer) is kind
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == tuple(MOMENTS.values())
    assert optimizer.weight_decay_rate == 0.2
    assert learner.steps.clip_norm == 0.7
