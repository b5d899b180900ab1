"""The hparams of pre-training: defaults, precedence, paths, and writing them down."""

import dataclasses
import json

import pytest
from pretraining_configs import create, refused

from lvbert_tf.architecture.layer_string import ELECTRA, LV_BERT_SMALL, LayerString
from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.settings.model_overrides import ModelOverrides
from lvbert_tf.settings.pretraining import PretrainingConfig

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
    several = create(pretrain_tfrecords="/r-1/pretrain_data*, /r-2/pretrain_data*,/r-2/more*")
    assert several.eval_tfrecords == "/r-1/held_out.tfrecord*,/r-2/held_out.tfrecord*"
    comma = create(pretrain_tfrecords="/a,b/pretrain_data*")
    assert comma.eval_tfrecords == "/a,b/held_out.tfrecord*"


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


# --- Saving


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
