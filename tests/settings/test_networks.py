"""The networks of pre-training: what hparams make of them, their parameters and FLOPs."""

import dataclasses
import json
from pathlib import Path

import pytest
from pretraining_configs import create

from lvbert_tf.architecture.layer_string import LV_BERT_SMALL

FIXTURES = Path(__file__).parents[1] / "fixtures"


def test_generator_layers_are_the_first_of_the_list():
    config = create(custom_layer_list="CCAFFAC", generator_layers=0.5)
    assert str(config.generator.layer_string) == "CCAF"
    assert str(create(generator_layers=0.01).generator.layer_string) == "C"
    own = create(generator_layer_list="AFA")
    assert (str(own.generator.layer_string), own.layer_string) == ("AFA", LV_BERT_SMALL)


@pytest.mark.parametrize("hparam", [{"untied_generator": False}, {"electra_objective": False}])
def test_one_network_plays_both(hparam):
    config = create(**hparam)
    assert config.generator == config.discriminator
    assert not config.wiring.has_own_generator


def test_generator_variants():
    assert create(uniform_generator=True).generator is None
    assert create(untied_generator_embeddings=True).generator.embedding_dim == 64
    electric = create(electric_objective=True, electra_objective=False)
    assert (electric.wiring.objective, electric.two_tower_generator) == ("electric", True)
    assert electric.wiring.has_own_generator
    assert create(electra_objective=False).wiring.objective == "masked_lm"
    # Below 64 the width still has one head.
    assert create(generator_hidden_size=0.05).generator.hidden_dim == 13


def variable_count(folder: str) -> int:
    total = 0
    for line in (FIXTURES / folder / "variables.txt").read_text().splitlines():
        name, shape = [*line.split(), "1"][:2]
        size = 1
        for dim in shape.split("x"):
            size *= int(dim)
        total += 0 if name == "global_step" else size
    return total


@pytest.mark.parametrize("folder", ["tiny", "electra_order", "official_electra"])
def test_parameters_equal_the_reference_checkpoints(folder):
    shape = json.loads((FIXTURES / folder / "config.json").read_text())
    layers = shape["layers"]
    config = create(
        custom_layer_list="AF" * layers if isinstance(layers, int) else layers,
        vocab_size=shape["vocab_size"],
        embedding_size=shape["embedding_size"],
        generator_hidden_size=shape["generator_hidden_size"],
        max_seq_length=shape["seq"],
        model_hparam_overrides={
            name: shape[name]
            for name in (
                "hidden_size",
                "num_attention_heads",
                "intermediate_size",
                "max_position_embeddings",
            )
        },
    )
    assert config.networks.num_parameters() == variable_count(folder)
    assert config.max_predictions_per_seq == shape["max_predictions_per_seq"]


def test_parameters_of_the_published_model():
    assert create().networks.num_parameters() == 13_182_563


def test_parameters_of_the_variants():
    discriminator, head = 12_525_856, 256 * 256 + 256 + 257
    wide_masked_lm_head = 256 * 128 + 128 + 256 + 30522
    assert create(uniform_generator=True).networks.num_parameters() == discriminator + head
    assert (
        create(electra_objective=False).networks.num_parameters()
        == discriminator + wide_masked_lm_head
    )
    assert create(untied_generator=False).networks.num_parameters() == (
        discriminator + head + wide_masked_lm_head
    )
    one, two = create(), create(two_tower_generator=True)
    tower = one.generator.num_parameters() - one.generator.embedding_parameters()
    assert two.networks.num_parameters() - one.networks.num_parameters() == tower + 64 * 128


def test_training_flops_by_hand():
    config = create(
        custom_layer_list="F",
        vocab_size=50,
        embedding_size=8,
        max_seq_length=20,
        generator_hidden_size=0.5,
        model_hparam_overrides={"hidden_size": 8, "max_position_embeddings": 20},
    )
    discriminator = 20 * (4 * 8 * 32 + 2 * 8 * 8 + 2 * 8)
    generator = 20 * (2 * 8 * 4 + 4 * 4 * 16) + 3 * (2 * 4 * 8 + 2 * 8 * 50)
    assert config.training_flops == 3 * (discriminator + generator)
    uniform = dataclasses.replace(config, uniform_generator=True)
    assert uniform.training_flops == 3 * discriminator
    towers = dataclasses.replace(config, two_tower_generator=True)
    two = 2 * 20 * (2 * 8 * 4 + 4 * 4 * 16) + 20 * (2 * 8 * 8 + 2 * 8 * 50)
    assert towers.training_flops == 3 * (discriminator + two)


def test_differences_of_networks():
    small, medium = create(), create(model_size="medium")
    assert small.networks.differences(medium.networks) == [
        "num_heads: 4 here, 6 there",
        "hidden_dim: 256 here, 384 there",
        "intermediate_dim: 1024 here, 1536 there",
        "generator num_heads: 1 here, 2 there",
        "generator hidden_dim: 64 here, 128 there",
        "generator intermediate_dim: 256 here, 512 there",
    ]
    assert small.networks.differences(create(custom_layer_list="AF").networks) == [
        f"layer_string: {LV_BERT_SMALL} here, AF there"
        # The generator's differs in the same way; once is enough.
    ]
    assert small.networks.differences(create(generator_layer_list="AF").networks) == [
        f"generator layer_string: {LV_BERT_SMALL} here, AF there"
    ]
    assert small.networks.differences(create(uniform_generator=True).networks) == [
        "uniform_generator: False here, True there"
    ]
    same = create(learning_rate=1, model_hparam_overrides={"hidden_dropout_prob": 0}, seed=3)
    assert small.networks.differences(same.networks) == []
