import dataclasses
import json
import re
from pathlib import Path

import pytest

from lvbert_tf.architecture.layer_string import ELECTRA, LV_BERT_SMALL, LayerString
from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.settings.model_overrides import ModelOverrides
from lvbert_tf.settings.pretraining import PretrainingConfig

FIXTURES = Path(__file__).parents[1] / "fixtures"
MODEL = ModelConfig(30522, LV_BERT_SMALL, 4, 256, 1024, 128)


def create(**user_hparams) -> PretrainingConfig:
    return PretrainingConfig.create("data", "m", user_hparams)


def refused(**user_hparams) -> str:
    with pytest.raises(InputError) as caught:
        create(**user_hparams)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- ModelConfig


def test_parameters_of_the_published_discriminator():
    assert MODEL.num_parameters() == 12_525_856


def test_parameters_by_hand():
    # Tables (11 + 5 + 2) x 4 and their LayerNorm, projection 4 -> 8, one attention layer.
    model = ModelConfig(11, "A", 2, 8, 16, 4, max_sequence_length=5)
    assert model.num_parameters() == 18 * 4 + 8 + (4 * 8 + 8) + (4 * 72 + 16)
    assert model.replace(embedding_dim=8).num_parameters() == 18 * 8 + 16 + (4 * 72 + 16)


def test_flops_add_the_projection():
    layers = LV_BERT_SMALL.flops(MODEL.widths, 128)
    assert MODEL.flops(128) == layers + 128 * 2 * 128 * 256
    assert MODEL.replace(embedding_dim=256).flops(128) == layers


def test_model_config_round_trip():
    written = json.loads(json.dumps(MODEL.to_dict()))
    assert written["layer_string"] == str(LV_BERT_SMALL)
    assert ModelConfig.from_dict(written) == MODEL
    assert hash(ModelConfig.from_dict(written)) == hash(MODEL)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_heads": 3}, "hidden_dim 256 is not a multiple of num_heads 3"),
        ({"hidden_dim": 0}, "hidden_dim: 0 is not allowed; use >= 1"),
        ({"dropout": 1.0}, "dropout: 1.0 is not allowed; use >= 0 and < 1"),
        ({"initializer_range": 0.0}, "initializer_range: 0.0 is not allowed; use > 0"),
        ({"layer_string": "CXF"}, "layer_string: layer code 'X' at position 1"),
    ],
)
def test_impossible_models_are_refused(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        MODEL.replace(**changes)


def test_a_model_without_a_required_value_is_refused():
    with pytest.raises(InputError, match="'num_heads' is missing"):
        ModelConfig.from_dict({"vocabulary_size": 9, "layer_string": "A", "hidden_dim": 8})


# --- Defaults and precedence


def test_reference_defaults():
    config = create()
    expected = {
        "debug": False,
        "do_train": True,
        "do_eval": False,
        "electra_objective": True,
        "gen_weight": 1.0,
        "disc_weight": 50.0,
        "mask_prob": 0.15,
        "learning_rate": 5e-4,
        "lr_decay_power": 1.0,
        "weight_decay_rate": 0.01,
        "num_warmup_steps": 10_000,
        "iterations_per_loop": 200,
        "save_checkpoints_steps": 50_000,
        "num_train_steps": 1_000_000,
        "num_eval_steps": 100,
        "keep_checkpoint_max": 1,
        "model_size": "small",
        "model_hparam_overrides": ModelOverrides(),
        "embedding_size": 128,
        "vocab_size": None,
        "vocab_size_multiple": 1,
        "do_lower_case": True,
        "uniform_generator": False,
        "untied_generator_embeddings": False,
        "untied_generator": True,
        "generator_layers": 1.0,
        "generator_hidden_size": 0.25,
        "disallow_correct": False,
        "temperature": 1.0,
        "max_seq_length": 128,
        "train_batch_size": 128,
        "eval_batch_size": 128,
        "use_tpu": False,
        "num_tpu_cores": 1,
        "tpu_job_name": None,
        "tpu_name": None,
        "tpu_zone": None,
        "gcp_project": None,
        "pretrain_tfrecords": "data/pretrain_tfrecords/pretrain_data.tfrecord*",
        "vocab_file": "data/vocab.txt",
        "model_dir": "data/models/m",
        "electric_objective": False,
        "two_tower_generator": False,
    }
    assert {name: getattr(config, name) for name in expected} == expected
    assert config.eval_tfrecords == "data/pretrain_tfrecords/held_out.tfrecord*"
    assert config.layer_string == LV_BERT_SMALL
    assert config.max_predictions_per_seq == 19


@pytest.mark.parametrize(
    ("size", "hidden", "embedding", "layers", "rate", "batch", "generator_hidden", "predictions"),
    [
        ("small", 256, 128, 24, 5e-4, 128, 64, 19),
        ("medium", 384, 128, 24, 5e-4, 128, 128, 19),
        ("base", 768, 768, 24, 2e-4, 256, 256, 19),
        ("large", 1024, 1024, 48, 2e-4, 2048, 256, 32),
    ],
)
def test_sizes(size, hidden, embedding, layers, rate, batch, generator_hidden, predictions):
    config = create(model_size=size)
    model, generator = config.discriminator, config.generator
    assert (model.hidden_dim, model.embedding_dim, len(model.layer_string)) == (
        hidden,
        embedding,
        layers,
    )
    assert (model.num_heads, model.intermediate_dim) == (hidden // 64, 4 * hidden)
    assert (config.learning_rate, config.train_batch_size) == (rate, batch)
    assert (generator.hidden_dim, generator.embedding_dim) == (generator_hidden, embedding)
    assert (generator.num_heads, generator.intermediate_dim) == (
        generator_hidden // 64,
        4 * generator_hidden,
    )
    # Large masks 25%: the slots follow the size's own share.
    assert config.max_predictions_per_seq == predictions


def test_the_user_wins_over_debug_and_size():
    assert create(debug=True).train_batch_size == 8
    assert create(debug=True, model_size="base").train_batch_size == 256
    config = create(debug=True, model_size="base", train_batch_size=6, learning_rate=1e-3)
    assert (config.train_batch_size, config.learning_rate) == (6, 1e-3)
    assert create(model_size="large", mask_prob=0.15).max_predictions_per_seq == 19
    # A value equal to the built-in default is still the user's.
    assert create(model_size="base", train_batch_size=128).train_batch_size == 128


def test_debug_is_short_and_narrow_but_keeps_given_layers():
    config = create(debug=True)
    assert config.num_train_steps == 20
    assert (config.discriminator.hidden_dim, str(config.layer_string)) == (144, "CCAFFA")
    assert str(create(debug=True, custom_layer_list="CAFCAFCAF").layer_string) == "CAFCAFCAF"
    wide = create(debug=True, model_hparam_overrides={"hidden_size": 64, "num_hidden_layers": 1})
    assert (wide.discriminator.hidden_dim, str(wide.layer_string)) == (64, "AF")


def test_layers_without_a_list():
    assert create(model_size="base").layer_string == LV_BERT_SMALL
    assert create(model_size="large").layer_string == LayerString("AF" * 24)
    assert create(model_hparam_overrides={"num_hidden_layers": 12}).layer_string == ELECTRA


def test_odd_lists_keep_every_layer():
    assert create(custom_layer_list=[0, 1, 2, 2, 1]).discriminator.layer_string.digits == [
        *(0, 1, 2, 2, 1)
    ]


def test_reference_overrides():
    overrides = {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "hidden_dropout_prob": 0,
        "attention_probs_dropout_prob": 0.2,
        "max_position_embeddings": 200,
        "type_vocab_size": 3,
        "initializer_range": 0.1,
        "hidden_act": "gelu",
    }
    model = create(model_hparam_overrides=overrides, embedding_size=None).discriminator
    assert dataclasses.asdict(model) == {
        **dataclasses.asdict(model),
        "hidden_dim": 32,
        "num_heads": 2,
        "intermediate_dim": 128,
        "embedding_dim": 32,
        "dropout": 0.0,
        "attention_dropout": 0.2,
        "max_sequence_length": 200,
        "num_segments": 3,
        "initializer_range": 0.1,
    }
    assert create(model_hparam_overrides={"hidden_size": 48}).discriminator.num_heads == 1
    inner = create(model_hparam_overrides={"intermediate_size": 77}).discriminator.intermediate_dim
    assert inner == 77


def test_paths():
    config = create(max_seq_length=512, eval_tfrecords="", vocab_file="{data_dir}/v/vocab.txt")
    assert config.pretrain_tfrecords == "data/pretrain_tfrecords_512/pretrain_data.tfrecord*"
    assert config.eval_tfrecords == "data/pretrain_tfrecords_512/held_out.tfrecord*"
    assert config.vocab_file == "data/v/vocab.txt"
    own = create(pretrain_tfrecords="/r/part*", max_seq_length=512, model_dir="/models/x")
    assert (own.pretrain_tfrecords, own.model_dir) == ("/r/part*", "/models/x")
    assert own.eval_tfrecords == "/r/held_out.tfrecord*"


def test_paths_with_commas_stay_as_they_are():
    hparams = {"init_checkpoint": "/a , b/c", "vocab_file": "{data_dir}/vocab.txt"}
    config = PretrainingConfig.create("/d, e~", "m", hparams)
    assert config.init_checkpoint == "/a , b/c"
    # Making another of it, as happens when the size of the vocabulary is known, expands it again.
    for known in (config, config.for_vocabulary(100)):
        assert known.vocab_file == "/d, e~/vocab.txt"
        assert known.model_dir == "/d, e~/models/m"


def test_home_directories_in_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    paths = {name: f"~/{name}" for name in ("vocab_file", "model_dir", "init_checkpoint")} | {
        "pretrain_tfrecords": "~/a*,{data_dir}/b*, ~/c*",
        "eval_tfrecords": "~/d*",
    }
    config = create(**paths)
    assert config.vocab_file == "/home/me/vocab_file"
    assert config.model_dir == "/home/me/model_dir"
    assert config.init_checkpoint == "/home/me/init_checkpoint"
    assert config.pretrain_tfrecords == "/home/me/a*,data/b*,/home/me/c*"
    assert config.eval_tfrecords == "/home/me/d*"
    tuned = FinetuningConfig.create(
        "data", "m", {"init_checkpoint": "~/model", "vocab_file": "~/vocab.txt"}
    )
    assert (tuned.init_checkpoint, tuned.vocab_file) == ("/home/me/model", "/home/me/vocab.txt")
    assert "~nobody-here is no user's home" in refused(vocab_file="~nobody-here/vocab.txt")


# --- Networks


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


# --- Saving, and refusing another architecture


@pytest.mark.parametrize(
    "user_hparams",
    [
        {},
        {"debug": True},
        {"model_size": "large", "mask_prob": 0.2, "init_checkpoint": "x"},
        {"electric_objective": True, "generator_layer_list": "AF", "keep_checkpoint_max": None},
        {"model_hparam_overrides": {"num_hidden_layers": 2, "hidden_size": 64}},
        {"uniform_generator": True, "custom_layer_list": [2, 1, 0]},
    ],
)
def test_config_json_round_trip(user_hparams):
    config = create(**user_hparams)
    written = json.loads(json.dumps(config.to_json_dict()))
    assert PretrainingConfig.from_json_dict(written) == config
    assert config.networks.differences(PretrainingConfig.from_json_dict(written).networks) == []
    assert written["derived"]["discriminator"] == config.discriminator.to_dict()
    assert written["derived"]["max_predictions_per_seq"] == config.max_predictions_per_seq


@pytest.mark.parametrize(
    ("saved", "missing"),
    [
        ({"data_dir": "d", "model_name": "m"}, "hparams"),
        ({"data_dir": "d", "model_name": "m", "hparams": []}, "hparams"),
        ({"data_dir": 3}, "data_dir"),
        ([], "data_dir"),
    ],
)
def test_a_foreign_config_json_is_refused(saved, missing):
    with pytest.raises(InputError, match=f"no '{missing}'"):
        PretrainingConfig.from_json_dict(saved)


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
