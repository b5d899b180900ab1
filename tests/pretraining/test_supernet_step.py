"""Training steps of a supernet: what moves, what they equal, and that nothing is traced again."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from compiled_step import Compiled
from tiny_run import LENGTH, NO_DROPOUT, hparams

from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.models.supernet import selected_path
from lvbert_tf.pretraining.gradients import pretraining_step
from lvbert_tf.pretraining.masking import MaskingSpec, mask_tokens
from lvbert_tf.pretraining.objective import PretrainingObjective, loss_weights, pretraining_loss
from lvbert_tf.pretraining.path_sampling import PathSampler
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import LossScale
from lvbert_tf.training.step import TrainingStep

MASK, SPECIAL, VOCABULARY = 4, (2, 3, 4), 60
BATCH, TYPES = 12, "CAF"


class Fixed:
    """Draws one string at steps 0, 2, 4... and another at the others; `draw` says which."""

    num_paths = 1

    def __init__(self, even: str, odd: str, types: str = TYPES):
        self._types = types
        self._paths = tf.Variable(tf.zeros([2, len(even)], tf.int32))
        self.draw(even, odd)

    def draw(self, even: str, odd: str) -> None:
        strings = [[self._types.index(letter) for letter in string] for string in (even, odd)]
        self._paths.assign(strings)

    def sample(self, seed):
        return self._paths[seed[1] % 2][None]


def make_config(**changes):
    settings = {
        "vocab_size": VOCABULARY,
        "train_batch_size": BATCH,
        "custom_layer_list": "CAF",
        "layer_types": TYPES,
        "generator_layer_list": "F",
        "model_hparam_overrides": NO_DROPOUT,
    }
    return PretrainingConfig.create("data", "m", hparams(**{**settings, **changes}))


def make_step(sampler=None, **changes) -> TrainingStep:
    config = make_config(**changes)
    keras.utils.set_random_seed(0)
    pretrainer = ElectraPretrainer.from_networks(config.networks)
    optimizer = ReferenceAdam(5e-3, weight_decay_rate=0.1)
    optimizer.build(pretrainer.trainable_variables)
    return pretraining_step(
        tf.distribute.get_strategy(),
        pretrainer,
        optimizer,
        LossScale(dynamic=False),
        config.step,
        PretrainingObjective.from_settings(config.objective, MaskingSpec(0.15, 2, MASK, SPECIAL)),
        sampler or PathSampler.of(config.networks, config.path_sampling),
    )


def batches():
    ids = np.random.default_rng(0).integers(5, VOCABULARY, (4 * BATCH, LENGTH)).astype(np.int32)
    features = {
        "input_ids": ids,
        "input_mask": np.ones_like(ids),
        "segment_ids": np.zeros_like(ids),
    }
    dataset = tf.data.Dataset.from_tensor_slices(features)
    return iter(dataset.batch(BATCH, drop_remainder=True).repeat())


def state_of_blocks(step):
    """For every position and letter: weights and both moments, as arrays."""
    optimizer, supernet = step.optimizer, step.gradients.pretrainer.discriminator
    state = {}
    for position, blocks in enumerate(supernet.blocks):
        for letter, block in zip(supernet.layer_types, blocks, strict=True):
            indices = [optimizer._get_variable_index(v) for v in block.trainable_variables]
            slots = (optimizer.first_moments, optimizer.second_moments)
            values = [v.numpy() for v in block.trainable_variables]
            state[position, letter] = values + [s[i].numpy() for s in slots for i in indices]
    return state


def moved(before, after):
    """The blocks of which any number differs in any bit."""
    return {
        block
        for block, values in before.items()
        if any((a != b).any() for a, b in zip(values, after[block], strict=True))
    }


def moved_by_steps(step, steps):
    source, states = batches(), [state_of_blocks(step)]
    for _ in range(steps):
        assert not step.run(source, 1).skipped.any()
        states.append(state_of_blocks(step))
    return [moved(*pair) for pair in itertools.pairwise(states)]


@pytest.fixture(scope="module")
def compiled():
    return Compiled(make_step(Fixed("CAF", "CFA")))


def test_only_selected_blocks_move(compiled):
    """From the second step on the other blocks have momentum, and all would decay."""
    step = compiled.fresh()
    step.gradients.path_sampler.draw("CAF", "CFA")
    assert moved_by_steps(step, 4) == [set(enumerate("CAF")), set(enumerate("CFA"))] * 2
    assert step.num_traces == 1


@pytest.mark.parametrize(
    ("path_sampling", "expected"), [("uniform", ["A", "F", "A"]), ("fair", ["AF", "AF", "AF"])]
)
def test_the_whole_step_compiles(path_sampling, expected):
    step = make_step(
        Fixed("A", "F", "AF") if path_sampling == "uniform" else None,
        path_sampling=path_sampling,
        layer_types="AF",
        custom_layer_list="A",
        generator_layer_list=None,
        electra_objective=False,
        jit_compile=True,
    )
    changes = moved_by_steps(step, 3)
    assert changes == [{(0, letter) for letter in letters} for letters in expected]
    assert step.run(batches(), 1).loss[0] == pytest.approx(np.log(VOCABULARY), rel=0.1)


def test_a_step_is_that_of_the_encoder_alone(compiled):
    supernet = compiled.fresh()
    supernet.gradients.path_sampler.draw("FCA", "FCA")
    alone = make_step(custom_layer_list="FCA", layer_types=None)
    networks, single = supernet.gradients.pretrainer, alone.gradients.pretrainer
    single.discriminator.set_weights(networks.discriminator.extract("FCA").get_weights())
    single.generator.set_weights(networks.generator.get_weights())
    for name in ("masked_lm_head", "replaced_token_head"):
        getattr(single, name).set_weights(getattr(networks, name).get_weights())
    ours, theirs = supernet.run(batches(), 5), alone.run(batches(), 5)
    np.testing.assert_allclose(ours.loss, theirs.loss, rtol=1e-5)
    np.testing.assert_allclose(ours.gradient_norm, theirs.gradient_norm, rtol=1e-4)
    for name, rows in theirs.sums.items():
        np.testing.assert_allclose(ours.sums[name], rows, rtol=1e-4, atol=1e-5, err_msg=name)
    extracted = networks.discriminator.extract("FCA").get_weights()
    for weight, expected in zip(extracted, single.discriminator.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-5)


def fair_loss_by_hand(step, batch):
    """Row i of the batch goes down path i modulo 2."""
    seed = tf.constant([make_config().seed, 0])
    masked = mask_tokens(batch, seed, step.gradients.objective.masking)
    weights = loss_weights(masked, step.gradients.objective)
    total = 0.0
    for index, path in enumerate(step.gradients.path_sampler.sample(seed)):
        rows = {name: value[index::2] for name, value in masked.items()}
        with selected_path(path):
            loss, _ = pretraining_loss(
                step.gradients.pretrainer, step.gradients.objective, rows, weights, training=False
            )
        total += float(loss)
    return total


def test_fair_paths_share_the_batch_and_move_every_block():
    settings = {"path_sampling": "fair", "custom_layer_list": "CF", "layer_types": "CF"}
    step = make_step(**settings)
    expected, source = fair_loss_by_hand(step, next(batches())), batches()
    before = state_of_blocks(step)
    first = step.run(source, 1).loss[0]
    assert first == pytest.approx(expected, rel=1e-5)
    assert len(moved(before, state_of_blocks(step))) == 4

    accumulated = make_step(**settings, gradient_accumulation_steps=2)
    parts = accumulated.run(batches(), 3)
    np.testing.assert_allclose(parts.loss[1:], step.run(source, 2).loss, rtol=1e-5)
    for block, values in state_of_blocks(step).items():
        for value, other in zip(values, state_of_blocks(accumulated)[block], strict=True):
            np.testing.assert_allclose(other, value, atol=1e-5)

    assert step.run(source, 40).loss[-5:].mean() < 0.8 * first
    assert step.num_traces == 1
