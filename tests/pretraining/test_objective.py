"""The loss of every option against its formula, its gradients, and the shares of a global batch."""

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.layers.kernels import compile_as
from lvbert_tf.pretraining.masking import mask_tokens
from lvbert_tf.pretraining.objective import PretrainingObjective, loss_weights, pretraining_loss

OPTIONS = {
    "electra": {},
    "masked_lm": {"electra_objective": False},
    "uniform_generator": {"uniform_generator": True},
    "tied_generator": {"untied_generator": False},
    "untied_embeddings": {"untied_generator_embeddings": True},
    "two_towers": {"two_tower_generator": True},
    "electric": {"electric_objective": True},
}


def inputs(masked, token_ids):
    return {
        "token_ids": tf.constant(token_ids),
        "segment_ids": masked["segment_ids"],
        "padding_mask": masked["padding_mask"],
    }


def whole_loss(pretrainer, objective, masked):
    weights = loss_weights(masked, objective)
    return pretraining_loss(pretrainer, objective, masked, weights, training=False)


@pytest.fixture
def build(tiny_pretrainer, masking_spec):
    def build(option="electra", **hparams):
        pretrainer, config = tiny_pretrainer(**OPTIONS[option], **hparams)
        return pretrainer, PretrainingObjective.from_settings(config.objective, masking_spec)

    return build


# --- Against the formulas


def softmax_loss(logits, labels, weights):
    log_probabilities = tf.nn.log_softmax(logits).numpy()
    losses = -np.take_along_axis(log_probabilities, np.asarray(labels)[..., None], -1)[..., 0]
    return np.sum(losses * weights) / (np.sum(weights) + 1e-6), losses


def sigmoid_loss(logits, labels, weights):
    losses = np.logaddexp(0.0, np.where(labels, -logits, logits))
    return np.sum(losses * weights) / (np.sum(weights) + 1e-6)


def sampled_by_hand(logits, noise):
    """The first token whose cumulative probability exceeds the noise."""
    ends = np.cumsum(tf.nn.softmax(tf.cast(logits, tf.float64)), -1)
    return np.argmax(ends > np.asarray(noise)[..., None], -1)


def corrupted_by_hand(masked, sampled):
    """(corrupted ids, where they were written), slot by slot."""
    ids, written = masked["token_ids"].numpy().copy(), np.zeros((4, 12), bool)
    for row, slot in np.argwhere(masked["mask_weights"].numpy() == 1):
        position = masked["mask_positions"][row, slot]
        ids[row, position] = sampled[row, slot]
        written[row, position] = True
    return ids, written


def test_electra(build, tiny_masked):
    pretrainer, objective = build()
    masked = tiny_masked
    logits = pretrainer.masked_lm_logits(
        inputs(masked, masked["masked_token_ids"]), masked["mask_positions"]
    )
    mlm_loss, _ = softmax_loss(logits, masked["mask_labels"], masked["mask_weights"])
    sampled = sampled_by_hand(logits, masked["sampling_noise"])
    ids, _ = corrupted_by_hand(masked, sampled)
    is_fake = ids != masked["token_ids"].numpy()
    assert is_fake.any()
    fake_logits = pretrainer.replaced_token_logits(inputs(masked, ids)).numpy()
    disc_loss = sigmoid_loss(fake_logits, is_fake, masked["padding_mask"].numpy())
    loss, sums = whole_loss(pretrainer, objective, masked)
    assert float(loss) == pytest.approx(mlm_loss + 50.0 * disc_loss, rel=1e-5)
    summary = objective.summarize(sums)
    assert summary["loss"] == pytest.approx(float(loss), rel=1e-5)
    assert sums["disc_fake"] == is_fake.sum()


def test_masked_lm(build, tiny_masked):
    pretrainer, objective = build("masked_lm")
    logits = pretrainer.masked_lm_logits(
        inputs(tiny_masked, tiny_masked["masked_token_ids"]), tiny_masked["mask_positions"]
    )
    expected, _ = softmax_loss(logits, tiny_masked["mask_labels"], tiny_masked["mask_weights"])
    loss, sums = whole_loss(pretrainer, objective, tiny_masked)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert "disc_loss" not in objective.summarize(sums)


def test_uniform_generator(build, tiny_masked):
    pretrainer, objective = build("uniform_generator")
    loss, sums = whole_loss(pretrainer, objective, tiny_masked)
    summary = objective.summarize(sums)
    assert summary["mlm_loss"] == pytest.approx(np.log(50.0))
    sampled = np.floor(tiny_masked["sampling_noise"] * np.float32(50.0)).astype(int)
    ids, _ = corrupted_by_hand(tiny_masked, sampled)
    logits = pretrainer.replaced_token_logits(inputs(tiny_masked, ids)).numpy()
    is_fake = ids != tiny_masked["token_ids"].numpy()
    disc_loss = sigmoid_loss(logits, is_fake, tiny_masked["padding_mask"].numpy())
    assert float(loss) == pytest.approx(np.log(50.0) + 50.0 * disc_loss, rel=1e-5)


def gelu(x):
    return x * 0.5 * (1.0 + tf.math.erf(x / np.sqrt(2.0)).numpy())


def cloze_logits_by_hand(pretrainer, features):
    before = pretrainer.generator(features)["sequence_output"].numpy()
    after = pretrainer.right_to_left_generator(features)["sequence_output"].numpy()
    length = before.shape[1]
    context = np.concatenate(
        [
            np.stack([before[:, position - 1] for position in range(length)], 1),
            np.stack([after[:, (position + 1) % length] for position in range(length)], 1),
        ],
        -1,
    )
    head = pretrainer.masked_lm_head
    hidden = gelu(context @ np.asarray(head.dense.kernel) + np.asarray(head.dense.bias))
    hidden = (hidden - hidden.mean(-1, keepdims=True)) / hidden.std(-1, keepdims=True)
    hidden = hidden * head.layer_norm.gamma + head.layer_norm.beta
    table = np.asarray(pretrainer.generator.embeddings.token_table)
    return hidden @ table.T + np.asarray(head.output_bias)


@pytest.mark.parametrize("option", ["two_towers", "electric"])
def test_two_towers_and_electric(build, tiny_masked, option):
    pretrainer, objective = build(option)
    masked, electric = tiny_masked, option == "electric"
    token_ids = masked["token_ids"].numpy()
    logits = cloze_logits_by_hand(pretrainer, inputs(masked, token_ids))
    candidates = (masked["padding_mask"].numpy() == 1) & ~np.isin(token_ids, [2, 3, 4])
    cloze_loss, _ = softmax_loss(logits, token_ids, candidates)
    at_positions = np.take_along_axis(logits, masked["mask_positions"].numpy()[..., None], 1)
    sampled = sampled_by_hand(at_positions, masked["sampling_noise"])
    ids, written = corrupted_by_hand(masked, sampled)
    is_fake = written if electric else ids != token_ids
    fake_logits = pretrainer.replaced_token_logits(inputs(masked, ids)).numpy()
    if electric:
        _, losses = softmax_loss(logits, ids, 1.0)
        fake_logits += -losses + np.log(0.3 / 0.7)
    disc_loss = sigmoid_loss(fake_logits, is_fake, masked["padding_mask"].numpy())
    loss, sums = whole_loss(pretrainer, objective, masked)
    assert float(loss) == pytest.approx(cloze_loss + 50.0 * disc_loss, rel=1e-5)
    summary = objective.summarize(sums)
    assert summary["loss"] == pytest.approx(float(loss), rel=1e-5)
    mlm_loss, _ = softmax_loss(at_positions, masked["mask_labels"], masked["mask_weights"])
    assert summary["mlm_loss"] == pytest.approx(mlm_loss, rel=1e-5)
    assert sums["disc_fake"] == is_fake.sum()


# --- Options of the sampling


def test_the_original_is_not_sampled_if_disallowed(build, tiny_masked):
    for option in ("electra", "uniform_generator"):
        pretrainer, objective = build(option, disallow_correct=True)
        _, sums = whole_loss(pretrainer, objective, tiny_masked)
        assert sums["sampled_correct"] == 0.0
        assert sums["disc_fake"] == tf.reduce_sum(tiny_masked["mask_weights"])


def test_a_low_temperature_samples_the_likeliest(build, tiny_masked):
    pretrainer, objective = build(temperature=1e-4)
    logits = pretrainer.masked_lm_logits(
        inputs(tiny_masked, tiny_masked["masked_token_ids"]), tiny_masked["mask_positions"]
    )
    labels = tf.argmax(logits, -1, tf.int32)
    masked = {**tiny_masked, "mask_labels": labels}
    _, sums = whole_loss(pretrainer, objective, masked)
    assert sums["sampled_correct"] == sums["mlm_weight"]
    _, sums = whole_loss(pretrainer, build()[1], masked)
    assert sums["sampled_correct"] < sums["mlm_weight"]


# --- Gradients


def gradients(pretrainer, objective, masked, training=False):
    weights = loss_weights(masked, objective)
    with tf.GradientTape() as tape:
        loss, _ = pretraining_loss(pretrainer, objective, masked, weights, training)
    variables = [variable.value for variable in pretrainer.trainable_variables]
    found = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return loss, [tf.convert_to_tensor(gradient).numpy() for gradient in found]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_weight_gets_a_finite_gradient(build, tiny_masked, option):
    pretrainer, objective = build(option)
    loss, found = gradients(pretrainer, objective, tiny_masked)
    assert np.isfinite(loss)
    for variable, gradient in zip(pretrainer.trainable_variables, found, strict=True):
        assert np.all(np.isfinite(gradient)), variable.path
        assert np.any(gradient != 0), variable.path


def variables_of(*parts):
    return {id(variable) for part in parts if part is not None for variable in part.variables}


@pytest.mark.parametrize("option", ["electra", "untied_embeddings", "two_towers", "electric"])
def test_no_loss_reaches_the_other_network(tiny_pretrainer, masking_spec, tiny_masked, option):
    pretrainer, config = tiny_pretrainer(**OPTIONS[option])
    towers = (pretrainer.generator, pretrainer.right_to_left_generator)
    generator = variables_of(*towers, pretrainer.masked_lm_head)
    discriminator = variables_of(pretrainer.discriminator, pretrainer.replaced_token_head)
    assert bool(generator & discriminator) == (option != "untied_embeddings")
    for weights, idle in (
        ({"gen_weight": 0.0}, generator - discriminator),
        ({"disc_weight": 0.0}, discriminator - generator),
    ):
        objective = PretrainingObjective(
            masking_spec, **weights, electric=config.electric_objective
        )
        _, found = gradients(pretrainer, objective, tiny_masked)
        for variable, gradient in zip(pretrainer.trainable_variables, found, strict=True):
            is_idle = not np.any(gradient)
            assert is_idle == (id(variable) in idle), variable.path


@pytest.mark.usefixtures("always_compiled")
def test_training_without_dropout_is_evaluation(tiny_pretrainer, masking_spec, tiny_masked):
    overrides = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    pretrainer, config = tiny_pretrainer(overrides=overrides, custom_layer_list="F")
    objective = PretrainingObjective.from_settings(config.objective, masking_spec)
    with compile_as("plain"):
        loss, found = gradients(pretrainer, objective, tiny_masked)
    training_loss, training = gradients(pretrainer, objective, tiny_masked, training=True)
    assert float(training_loss) == pytest.approx(float(loss), rel=1e-5)
    for ours, expected in zip(training, found, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4)


# --- Batches


@pytest.mark.parametrize("option", ["electra", "electric", "masked_lm"])
def test_shares_add_up_to_the_whole(build, tiny_masked, option):
    pretrainer, objective = build(option)
    weights = loss_weights(tiny_masked, objective)
    whole, sums = pretraining_loss(pretrainer, objective, tiny_masked, weights, training=False)
    parts = []
    for rows in (slice(1), slice(1, 4)):  # of different weights
        part = {name: value[rows] for name, value in tiny_masked.items()}
        parts.append(pretraining_loss(pretrainer, objective, part, weights, training=False))
    assert float(parts[0][0] + parts[1][0]) == pytest.approx(float(whole), rel=1e-6)
    for name, value in sums.items():
        together = parts[0][1][name] + parts[1][1][name]
        np.testing.assert_allclose(together, value, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("option", ["electra", "electric", "masked_lm"])
def test_a_batch_without_candidates_has_a_finite_loss(build, masking_spec, option):
    ids = np.array([[2, 3] + [0] * 10] * 4, np.int32)
    batch = {
        "input_ids": tf.constant(ids),
        "segment_ids": tf.zeros_like(ids),
        "input_mask": tf.constant((ids != 0).astype(np.int32)),
    }
    masked = mask_tokens(batch, tf.constant([0, 0]), masking_spec)
    pretrainer, objective = build(option)
    loss, found = gradients(pretrainer, objective, masked)
    assert np.isfinite(loss)
    assert (float(loss) == 0.0) == (option == "masked_lm")
    assert all(np.all(np.isfinite(gradient)) for gradient in found)
