"""Which networks each option builds, what they share, and what their logits depend on."""

import keras
import numpy as np
import pytest

from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.settings.pretraining import PretrainingConfig

OPTIONS = {
    "electra": {},
    "masked_lm": {"electra_objective": False},
    "uniform_generator": {"uniform_generator": True},
    "tied_generator": {"untied_generator": False},
    "untied_embeddings": {"untied_generator_embeddings": True},
    "two_towers": {"two_tower_generator": True},
    "electric": {"electric_objective": True},
    "two_towers_untied": {"two_tower_generator": True, "untied_generator_embeddings": True},
    "generator_layer_list": {"generator_layer_list": "FC"},
    "generator_layers": {"custom_layer_list": "CAFC", "generator_layers": 0.5},
}


@pytest.mark.parametrize("option", OPTIONS)
def test_parameters_are_those_of_the_formula(tiny_pretrainer, option):
    pretrainer, config = tiny_pretrainer(**OPTIONS[option])
    assert pretrainer.count_params() == config.networks.num_parameters()


def test_parameters_of_the_published_small_model():
    pretrainer = ElectraPretrainer.from_networks(
        PretrainingConfig.create("data", "small", {}).networks
    )
    assert pretrainer.discriminator.count_params() == 12_525_856
    assert pretrainer.count_params() == 13_182_563


def networks(tiny_pretrainer, option):
    pretrainer, _ = tiny_pretrainer(**OPTIONS[option])
    return (
        pretrainer,
        pretrainer.discriminator,
        pretrainer.generator,
        pretrainer.right_to_left_generator,
    )


def test_one_network_plays_both_parts_if_tied(tiny_pretrainer):
    for option in ("tied_generator", "masked_lm"):
        pretrainer, discriminator, generator, _ = networks(tiny_pretrainer, option)
        assert generator is discriminator
        assert (pretrainer.replaced_token_head is None) == (option == "masked_lm")


def test_a_uniform_generator_has_no_network(tiny_pretrainer):
    pretrainer, _, generator, _ = networks(tiny_pretrainer, "uniform_generator")
    assert generator is None
    assert pretrainer.masked_lm_head is None


@pytest.mark.parametrize("option", ["electra", "two_towers", "electric", "generator_layer_list"])
def test_generators_share_the_embeddings(tiny_pretrainer, option):
    _, discriminator, generator, right_to_left = networks(tiny_pretrainer, option)
    for tower in (generator, right_to_left):
        if tower is not None:
            assert tower.embeddings is discriminator.embeddings
            assert tower.embeddings_projection is not discriminator.embeddings_projection


def test_untied_embeddings_have_the_width_of_the_generator(tiny_pretrainer):
    _, discriminator, generator, _ = networks(tiny_pretrainer, "untied_embeddings")
    assert generator.embeddings is not discriminator.embeddings
    assert generator.embedding_dim == generator.hidden_dim == 8
    _, _, left, right = networks(tiny_pretrainer, "two_towers_untied")
    assert left.embeddings is not right.embeddings


def test_the_towers_look_in_opposite_directions(tiny_pretrainer):
    for option in ("two_towers", "electric"):
        _, discriminator, generator, right_to_left = networks(tiny_pretrainer, option)
        assert discriminator.direction == "both"
        assert generator.direction == "left_to_right"
        assert right_to_left.direction == "right_to_left"


def test_layers_of_the_generator(tiny_pretrainer):
    for option, layers in (
        ("electra", "CAF"), ("generator_layer_list", "FC"), ("generator_layers", "CA")
    ):  # fmt: skip
        _, discriminator, generator, _ = networks(tiny_pretrainer, option)
        assert generator.layer_string == layers
        assert (generator.hidden_dim, generator.intermediate_dim) == (8, 32)
        assert discriminator.hidden_dim == 16


def test_shapes_and_precision_of_the_logits(tiny_config, tiny_inputs, tiny_masked):
    for dtype in ("float32", "mixed_bfloat16"):
        pretrainer = ElectraPretrainer.from_networks(tiny_config().networks, dtype=dtype)
        logits = pretrainer.masked_lm_logits(tiny_inputs, tiny_masked["mask_positions"])
        assert logits.shape == (4, 4, 50)
        assert keras.backend.standardize_dtype(logits.dtype) == dtype.removeprefix("mixed_")
        replaced = pretrainer(tiny_inputs)
        assert replaced.shape == (4, 12)
        assert keras.backend.standardize_dtype(replaced.dtype) == "float32"


def test_masked_lm_logits_are_those_of_the_positions(tiny_pretrainer, tiny_inputs):
    pretrainer, _ = tiny_pretrainer()
    every = np.broadcast_to(np.arange(12), (4, 12))
    logits = pretrainer.masked_lm_logits(tiny_inputs, every).numpy()
    positions = np.array([[3, 0], [11, 5], [5, 5], [1, 8]])
    chosen = pretrainer.masked_lm_logits(tiny_inputs, positions)
    expected = np.take_along_axis(logits, positions[..., None], 1)
    np.testing.assert_allclose(chosen, expected, rtol=1e-5, atol=1e-5)


def test_cloze_logits_see_every_token_but_their_own(tiny_pretrainer, tiny_inputs):
    pretrainer, _ = tiny_pretrainer(**OPTIONS["two_towers"])
    inputs = {name: value[:1] for name, value in tiny_inputs.items()}
    before = pretrainer.cloze_logits(inputs).numpy()[0]
    ids = inputs["token_ids"].copy()
    ids[0, 6] += 1
    after = pretrainer.cloze_logits({**inputs, "token_ids": ids}).numpy()[0]
    changed = np.abs(after - before).max(-1)
    np.testing.assert_allclose(changed[6], 0.0, atol=1e-5)
    assert np.delete(changed, 6).min() > 1e-3
