"""The hparams of a search, and telling them from those of pre-training."""

import subprocess
import sys
from pathlib import Path

import pytest

from lvbert_tf import hparams
from lvbert_tf.errors import InputError
from lvbert_tf.search.limit import UNLIMITED, Limit
from lvbert_tf.search.settings import SearchSettings, split_hparams
from lvbert_tf.settings.pretraining import PretrainingConfig


def test_the_defaults_are_those_of_single_path_one_shot():
    settings = SearchSettings()
    assert (settings.population_size, settings.num_generations, settings.num_parents) == (
        50,
        20,
        10,
    )
    assert (settings.num_mutations, settings.num_crossovers) == (25, 25)
    assert settings.mutation_probability == 0.1
    assert settings.num_candidates == 50 + 20 * 50


def test_generations_follow_each_other():
    settings = SearchSettings(population_size=7, num_generations=3, num_mutations=2)
    numbers = [
        settings.first_number(generation) + i
        for generation in range(4)
        for i in range(settings.generation_size(generation))
    ]
    assert numbers == list(range(settings.num_candidates)) == list(range(7 + 3 * 27))


def test_a_flat_table_is_divided():
    user = {
        "num_layers": 6.0,
        "max_flops": "unlimited",
        "max_parameters": 10_000,
        "num_eval_steps": 3,
        "seed": 5,
        "train_batch_size": 8,
    }
    settings, rest = split_hparams(user)
    assert settings.num_layers == 6
    assert (settings.max_parameters, settings.max_flops) == (Limit(10_000), UNLIMITED)
    assert rest == {"num_eval_steps": 3, "seed": 5, "train_batch_size": 8}
    config = PretrainingConfig.create("data", "m", rest)
    assert (config.num_eval_steps, config.seed) == (3, 5)
    assert hparams.build(SearchSettings, hparams.to_json(settings)) == settings


def test_every_setting_is_described():
    fields = hparams.hparam_fields(SearchSettings)
    assert all(field.metadata["doc"] for field in fields.values())
    assert all(f"{name} = " in hparams.help_lines(SearchSettings) for name in fields)


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"num_layer": 3}, "unknown hparam 'num_layer'; the nearest known one is 'num_layers'"),
        ({"learning_rat": 3}, "the nearest known one is 'learning_rate'"),
        ({"num_layers": 0}, "num_layers: 0 is not allowed; use >= 1 and <= 512"),
        ({"layer_types": ""}, "layer types '': expected at least one letter of CAF"),
        ({"layer_types": "AB"}, "layer types 'AB': expected at least one letter of CAF"),
        ({"sampler": "tpe"}, "sampler: 'tpe' is not allowed; use evolution | random | nsga2"),
        ({"fitness": "loss"}, "use disc_loss | disc_auc | disc_accuracy | mlm_loss"),
        ({"cost": "size"}, "use parameters | flops | latency"),
        ({"population_size": 0}, "population_size: 0 is not allowed"),
        ({"mutation_probability": 0}, "mutation_probability: 0.0 is not allowed"),
        ({"num_mutations": 0, "num_crossovers": 0}, "num_generations 20 needs num_mutations"),
        ({"max_flops": "none"}, 'max_flops: use a whole number of at least 1, or "unlimited"'),
        ({"max_parameters": 0}, "max_parameters: use a whole number"),
    ],
)
def test_bad_settings_are_refused(user, words):
    with pytest.raises(InputError) as caught:
        split_hparams(user)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("objective", "fitness", "allowed"),
    [
        ("masked_lm", "disc_auc", "mlm_loss | mlm_accuracy"),
        ("electra", "mlm_loss", "disc_loss | disc_auc | disc_accuracy"),
        ("electric", "mlm_accuracy", "disc_loss | disc_auc | disc_accuracy"),
    ],
)
def test_a_fitness_that_the_objective_does_not_give_is_refused(objective, fitness, allowed):
    with pytest.raises(InputError, match=f"fitness {fitness}: the objective is {objective}"):
        SearchSettings(fitness=fitness).check_fitness(objective)
    for name in allowed.split(" | "):
        SearchSettings(fitness=name).check_fitness(objective)


def test_the_space_is_over_the_discriminator():
    config = PretrainingConfig.create("data", "m", {"max_seq_length": 64})
    space = SearchSettings(num_layers=6, max_flops=UNLIMITED).space(
        config.discriminator, config.max_seq_length
    )
    assert space.num_layers == 6 and space.sequence_length == 64
    model = config.discriminator.replace(layer_string="AFAFAF")
    assert space.max_parameters == Limit(model.num_parameters())
    assert space.max_flops == UNLIMITED


def test_objectives():
    assert SearchSettings(fitness="disc_auc").objectives == ["disc_auc"]
    assert SearchSettings(sampler="nsga2", cost="latency").objectives == ["disc_loss", "latency"]


def test_the_search_needs_no_tensorflow():
    code = (
        "import sys, lvbert_tf.search.search, lvbert_tf.search.study;"
        "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert (loaded.stdout.strip(), loaded.stderr) == ("[]", "")
