"""The encoders that fine-tuning starts from, wherever they are."""

import json
import shutil

import numpy as np
import pytest
import tiny_run
import tiny_tuning
from task_files import refusal

from lvbert_tf.finetuning.learning.starting_model import load_starting_model
from lvbert_tf.finetuning.learning.weights import fresh_values
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.interop import load_reference_checkpoint
from lvbert_tf.pretraining.run import pretrain
from lvbert_tf.runs.initialization import load_pretrainer
from lvbert_tf.runs.named_weights import fingerprint


def load(data_dir, name, said=None, **hparams):
    config = FinetuningConfig.create(str(data_dir), name, {"task_names": ["sst"], **hparams})
    return load_starting_model(config.starting_model, "float32", said or print)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    data = tiny_run.make_data(tmp_path_factory.mktemp("starting") / "data")
    changes = {"custom_layer_list": "F", "generator_layer_list": "F", "num_train_steps": 2}
    assert pretrain(str(data), "run", tiny_run.hparams_json(**changes)) == 0
    return data


def test_a_preset_is_found_where_pretraining_leaves_it(tmp_path):
    data = tiny_tuning.make_data(tmp_path / "data")
    said = []
    backbone, tokenizer = load(data, tiny_tuning.NAME, said.append)
    assert backbone.layer_string == "CAF" and tokenizer.get_vocabulary() == tiny_tuning.TOKENS
    assert said[0].startswith(f"starting from {data / 'models' / tiny_tuning.NAME / 'preset'}: CAF")
    again, _ = load(
        data, "another", init_checkpoint=f"{{data_dir}}/models/{tiny_tuning.NAME}/preset"
    )
    for ours, theirs in zip(again.weights, backbone.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("place", ["models/run", "models/run/checkpoints/step-00000002"])
def test_a_run_that_has_no_preset_gives_its_checkpoint(pretrained, tmp_path, place):
    data = tmp_path / "data"
    shutil.copytree(pretrained, data)
    shutil.rmtree(data / "models" / "run" / "preset")
    backbone, tokenizer = load(data, "run", init_checkpoint=str(data / place))
    expected = load_pretrainer(data / "models" / "run", print).discriminator
    for ours, theirs in zip(backbone.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert tokenizer.vocabulary_size() == tiny_run.vocabulary_size()


def test_hparams_of_reference_checkpoints_have_no_effect_on_others(pretrained):
    said = []
    load(
        pretrained, "run", said.append, embedding_size=8, model_hparam_overrides={"hidden_size": 8}
    )
    unused = [line for line in said if "has no effect: " in line]
    assert [line.split()[:2] for line in unused] == [
        ["warning:", "model_hparam_overrides"],
        ["warning:", "embedding_size"],
    ]
    assert all(line.endswith("is not a reference checkpoint") for line in unused)


def test_a_checkpoint_that_is_named_counts_more_than_the_preset(pretrained):
    said = []
    step = pretrained / "models" / "run" / "checkpoints" / "step-00000002"
    load(pretrained, "run", said.append, init_checkpoint=str(step))
    assert said[0].startswith(f"starting from {step}: ")


def test_a_reference_checkpoint(fixtures, tmp_path):
    settings = json.loads((fixtures / "tiny" / "config.json").read_text())
    names = ("hidden_size", "num_attention_heads", "intermediate_size")
    hparams = {
        "custom_layer_list": settings["layers"],
        "model_hparam_overrides": {name: settings[name] for name in names},
    }
    path = str(fixtures / "tiny" / "model.ckpt")
    vocabulary = str(fixtures / "tiny" / "vocab.txt")
    backbone, _ = load(tmp_path, "any", init_checkpoint=path, vocab_file=vocabulary, **hparams)
    generator = {"generator_hidden_size": settings["generator_hidden_size"]}
    expected = load_reference_checkpoint(path, {**hparams, **generator}).discriminator
    assert not backbone.mask_convolution_padding  # as the reference was trained
    for ours, theirs in zip(backbone.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_vocabulary_of_fewer_tokens_than_a_reference_checkpoint_has(fixtures, tmp_path):
    lines = (fixtures / "tiny" / "vocab.txt").read_text().splitlines(keepends=True)
    (tmp_path / "vocab.txt").write_text("".join(lines[:40]))
    settings = json.loads((fixtures / "tiny" / "config.json").read_text())
    hparams = {
        "init_checkpoint": str(fixtures / "tiny" / "model.ckpt"),
        "vocab_file": str(tmp_path / "vocab.txt"),
        "model_hparam_overrides": {
            name: settings[name]
            for name in ("hidden_size", "num_attention_heads", "intermediate_size")
        },
    }
    message = refusal(load, tmp_path, "any", **hparams)
    assert "has 120 token embeddings" in message and "vocab.txt has 40 tokens" in message
    backbone, tokenizer = load(tmp_path, "any", vocab_size=120, **hparams)
    assert (backbone.vocabulary_size, tokenizer.vocabulary_size()) == (120, 40)


def test_what_is_no_model_is_one_line(pretrained, tmp_path):
    message = refusal(load, tmp_path, "none")
    assert message.startswith("no model at ") and message.endswith("names another place")
    preset = tmp_path / "preset"
    shutil.copytree(pretrained / "models" / "run" / "preset", preset)
    (preset / "model.weights.h5").write_bytes(b"damaged")
    message = refusal(load, tmp_path, "any", init_checkpoint=str(preset))
    assert "preset: the preset cannot be read" in message


def test_fresh_values_differ_and_weights_are_known_again(pretrained):
    backbone, _ = load(pretrained, "run")
    fresh = fresh_values(backbone)
    assert [value.shape for value in fresh] == [weight.shape for weight in backbone.weights]
    kernel = next(i for i, w in enumerate(backbone.weights) if "kernel" in w.path)
    assert np.abs(fresh[kernel] - backbone.weights[kernel].numpy()).max() > 0
    assert fingerprint(fresh) == fingerprint([value.copy() for value in fresh])
    changed = [value.copy() for value in fresh]
    changed[-1].flat[0] += 1
    assert fingerprint(fresh) != fingerprint(changed)
