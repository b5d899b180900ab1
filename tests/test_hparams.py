"""Refusing bad hparams in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pretraining_configs import create, refused

from lvbert_tf import hparams
from lvbert_tf.errors import InputError
from lvbert_tf.settings.pretraining import PretrainingConfig

# --- Bad hparams


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("learning_rat", "learning_rate"),
        ("max_sequence_length", "max_seq_length"),
        ("LEARNING_RATE", "learning_rate"),
        ("x", ""),
    ],
)
def test_unknown_hparams_name_the_nearest(name, nearest):
    message = refused(**{name: 1})
    assert f"unknown hparam {name!r}; the nearest known one is '{nearest}" in message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("train_batch_size", "128", "expected an integer, got '128' (str)"),
        ("train_batch_size", 1.5, "expected an integer, got 1.5 (float)"),
        ("train_batch_size", True, "expected an integer, got True (bool)"),
        ("train_batch_size", 10**400, "expected an integer"),
        ("learning_rate", "fast", "expected a number, got 'fast' (str)"),
        ("learning_rate", float("nan"), "expected a number, got nan (float)"),
        ("learning_rate", float("inf"), "expected a number, got inf (float)"),
        ("learning_rate", None, "expected a number, got None (NoneType)"),
        ("debug", 1, "expected true or false, got 1 (int)"),
        ("jit_compile", 1, "expected true or false, got 1 (int)"),
        ("jit_compile", None, "expected true or false, got None (NoneType)"),
        ("jit_compile", "yes", "'yes' is not allowed; use auto | true | false"),
        ("vocab_file", 3, "expected text, got 3 (int)"),
        ("tpu_name", [], "expected text, got [] (list)"),
        ("model_hparam_overrides", [1], "expected a table of names and values, got [1] (list)"),
        ("custom_layer_list", 12, "layers must be text"),
        ("custom_layer_list", "CAX", "layer code 'X' at position 2"),
        ("train_batch_size", 0, "0 is not allowed; use >= 1"),
        ("mask_prob", 1.0, "1.0 is not allowed; use > 0 and < 1"),
        ("generator_layers", 1.5, "1.5 is not allowed; use > 0 and <= 1"),
        ("num_warmup_steps", -1, "-1 is not allowed; use >= 0"),
        ("max_seq_length", 4, "4 is not allowed; use >= 5"),
        ("model_size", "tiny", "'tiny' is not allowed; use small | medium | base | large"),
        ("precision", "int8", "'int8' is not allowed; use auto | float32 | bfloat16 | float16"),
        (
            "model_hparam_overrides",
            {"hiden_size": 3},
            "unknown hparam 'hiden_size'; the nearest known one is 'hidden_size'",
        ),
        ("model_hparam_overrides", {"hidden_size": 0}, "hidden_size: 0 is not allowed"),
        (
            "model_hparam_overrides",
            {"hidden_act": "relu"},
            "hidden_act: 'relu' is not allowed; use gelu",
        ),
    ],
)
def test_bad_values_name_the_hparam_the_value_and_the_legal_set(name, value, message):
    assert refused(**{name: value}).startswith(f"{name}: {message}")


@pytest.mark.parametrize(
    ("user_hparams", "words"),
    [
        ({"do_eval": True}, "do_train and do_eval are both true"),
        ({"do_train": False}, "do_train and do_eval are both false"),
        (
            {"gradient_accumulation_steps": 3},
            "train_batch_size 128 is not a multiple of gradient_accumulation_steps 3",
        ),
        ({"max_seq_length": 600}, "max_seq_length 600 exceeds max_position_embeddings 512"),
        (
            {"custom_layer_list": "CAF", "model_hparam_overrides": {"num_hidden_layers": 2}},
            "num_hidden_layers 2 stands for 4 layers but custom_layer_list has 3",
        ),
        ({"uniform_generator": True, "electra_objective": False}, "uniform_generator needs"),
        ({"uniform_generator": True, "electric_objective": True}, "uniform_generator needs"),
        ({"two_tower_generator": True, "untied_generator": False}, "two_tower_generator"),
        ({"two_tower_generator": True, "electra_objective": False}, "two_tower_generator"),
        ({"two_tower_generator": True, "uniform_generator": True}, "two_tower_generator"),
        ({"electric_objective": True, "untied_generator": False}, "two_tower_generator"),
        ({"generator_layer_list": "AF", "untied_generator": False}, "generator_layer_list"),
        ({"generator_layer_list": "AF", "generator_layers": 0.5}, "give one of the two"),
        (
            {"model_hparam_overrides": {"num_attention_heads": 3}},
            "discriminator: hidden_dim 256 is not a multiple of num_heads 3",
        ),
        (
            {"generator_hidden_size": 0.51},
            "generator: hidden_dim 131 is not a multiple of num_heads 2",
        ),
    ],
)
def test_hparams_that_exclude_each_other_are_refused(user_hparams, words):
    assert words in refused(**user_hparams)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a"])
def test_a_model_name_is_one_directory(name):
    with pytest.raises(InputError, match="expected one directory name"):
        PretrainingConfig.create("data", name, {})


def test_integral_floats_are_integers():
    config = create(num_train_steps=1e6, learning_rate=1)
    assert type(config.num_train_steps) is int and type(config.learning_rate) is float


@pytest.mark.parametrize("value", [True, False, "auto"])
def test_jit_compile_is_a_boolean_or_a_word(value):
    config = create(jit_compile=value)
    assert config.jit_compile is value
    assert hparams.to_json(config)["jit_compile"] is value
    assert create().jit_compile == "auto"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=5,
)


@given(st.sampled_from(sorted(hparams.hparam_fields(PretrainingConfig))), json_values)
def test_any_json_value_is_accepted_or_refused_cleanly(name, value):
    try:
        config = create(**{name: value})
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert PretrainingConfig.from_json_dict(config.to_json_dict()) == config


def test_help_describes_every_hparam():
    text = hparams.help_lines(PretrainingConfig)
    for name, field in hparams.hparam_fields(PretrainingConfig).items():
        assert f"{name} = " in text
        assert field.metadata["doc"], name
