"""Compact presets: all networks in one file of 16-bit numbers, usable wherever a model is asked for."""

import dataclasses
import json
import os
import re
import shutil

import keras_hub
import numpy as np
import pytest
import safetensors.numpy
from conversions import refusal, tensors_of

from lvbert_tf.conversion.conversion import convert
from lvbert_tf.errors import InputError
from lvbert_tf.models import (
    ElectraPretrainer,
    LVBertBackbone,
    LVBertTextClassifier,
    LVBertTokenizer,
)
from lvbert_tf.presets import compact as compact_files
from lvbert_tf.presets import shipped
from lvbert_tf.presets.compact import Seal, StoredNetworks
from lvbert_tf.presets.directory import load_preset
from lvbert_tf.runs.initialization import initialize, load_pretrainer
from lvbert_tf.runs.loaded_model import load_model
from lvbert_tf.runs.named_weights import named_weights
from lvbert_tf.runs.open_model import CompactPreset, Preset, open_model, open_own_model, recognise
from lvbert_tf.runs.preparation import prepare
from lvbert_tf.serving.servable_model import load_servable_model
from lvbert_tf.settings.pretraining import PATHS, PretrainingConfig


@pytest.fixture(scope="module")
def whole(presets):
    """The networks in 32 bits."""
    return load_pretrainer(presets / "tiny", pytest.fail)


@pytest.fixture(scope="module")
def compact(presets, tmp_path_factory):
    """A compact preset; not to be changed."""
    output = tmp_path_factory.mktemp("compact") / "tiny"
    convert("preset", "compact", str(presets / "tiny"), str(output))
    return output / "preset"


@pytest.fixture
def copied(compact, tmp_path):
    """One that may be changed."""
    return shutil.copytree(compact, tmp_path / "copied")


@pytest.fixture
def named(compact, tmp_path, monkeypatch):
    """The name of a preset that comes with the package."""
    monkeypatch.setattr(shipped, "_DIRECTORY", tmp_path / "package")
    shutil.copytree(compact, tmp_path / "package" / "lv_bert_tiny")
    monkeypatch.chdir(tmp_path)
    return "lv_bert_tiny"


def values(pretrainer):
    return {name: weight.numpy() for name, weight in named_weights(pretrainer).items()}


def rounded(pretrainer):
    return {name: value.astype("float16") for name, value in values(pretrainer).items()}


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


def change_seal(directory, **changes):
    """Writes the file anew, with a seal that is whole."""
    stored = compact_files.read_networks(directory / "model.safetensors")
    seal = dataclasses.replace(stored.seal, **changes)
    compact_files.write_networks(directory, dataclasses.replace(stored, seal=seal))
    (directory / "step.json").unlink(missing_ok=True)


def test_all_networks_are_in_one_file_of_16_bits(whole, compact):
    stored = safetensors.numpy.load_file(compact / "model.safetensors")
    assert {value.dtype.name for value in stored.values()} == {"float16"}
    assert_equal(stored, rounded(whole))
    assert not list(compact.glob("*.h5"))
    hparams = compact_files.read_seal(compact / "model.safetensors").hparams
    assert not {*PATHS, "tpu_name", "gcp_project"} & hparams.keys()
    assert hparams["custom_layer_list"] == whole.discriminator.layer_string


def test_it_loads_as_all_networks(presets, whole, compact):
    model = load_model(open_own_model(compact, None), pytest.fail)
    assert_equal(values(model.pretrainer), rounded(whole))
    vocabulary = (presets / "tiny" / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert model.tokenizer.get_vocabulary() == vocabulary
    assert model.config.discriminator == whole.discriminator.config
    again = load_model(recognise(compact.parent), pytest.fail)  # the directory that convert makes
    assert_equal(values(again.pretrainer), rounded(whole))


@pytest.mark.parametrize(
    "load",
    [
        lambda path: load_preset(LVBertBackbone, path),
        lambda path: LVBertBackbone.from_preset(str(path)),
        LVBertBackbone.from_preset,
        # KerasHub's own class knows nothing of the file.
        lambda path: keras_hub.models.Backbone.from_preset(str(path)),
        lambda path: LVBertTextClassifier.from_preset(str(path), num_classes=2).backbone,
    ],
    ids=["ours", "the class", "a path", "KerasHub", "a task"],
)
def test_it_loads_as_an_encoder(whole, compact, load):
    encoder = load(compact)
    assert encoder.dtype_policy.name == "float32"
    for ours, theirs in zip(encoder.weights, whole.discriminator.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy().astype("float16"))


def test_it_loads_in_other_precisions(compact):
    encoder = LVBertBackbone.from_preset(str(compact), dtype="bfloat16")
    assert {weight.dtype for weight in encoder.weights} == {"bfloat16"}
    encoder = LVBertBackbone.from_preset(str(compact))
    encoder.quantize("int8")
    with pytest.raises(InputError, match=r"weights of another model: .* is not quantised, not"):
        encoder.load_weights(str(compact / "model.weights.json"))
    adapted = LVBertBackbone.from_preset(str(compact))
    adapted.enable_lora(2)
    with pytest.raises(InputError, match=r"before it gets adapters"):
        adapted.load_weights(str(compact / "model.weights.json"))


def test_a_task_does_not_take_it_for_all_of_its_weights(compact):
    task = LVBertTextClassifier.from_preset(str(compact), num_classes=2)
    with pytest.raises(InputError, match=r"is not a list of shards|a shard is a"):
        task.load_weights(str(compact / "model.weights.json"))


@pytest.mark.parametrize("target", ["huggingface", "reference"])
def test_it_converts_to_the_formats_of_others(presets, compact, tmp_path, target):
    for source, name in ((presets / "tiny", "whole"), (compact, "compact")):
        convert("preset", target, str(source), str(tmp_path / name))

    def tensors(name):
        if target == "reference":
            return tensors_of(tmp_path / name / "model.ckpt")
        files = sorted((tmp_path / name).glob("*/model.safetensors"))
        assert len(files) == 2
        return {
            f"{file.parent.name}.{key}": value
            for file in files
            for key, value in safetensors.numpy.load_file(file).items()
        }

    halves = {name: value.astype("float16") for name, value in tensors("whole").items()}
    assert_equal(tensors("compact"), halves)


def test_it_is_exported_with_all_networks(compact):
    model = load_servable_model(compact, None, "float32", pytest.fail)
    assert {"fill_mask", "replaced_tokens"} <= model.signatures.keys()


def test_pretraining_starts_from_it(compact, presets, tmp_path):
    shutil.copy(presets / "tiny" / "vocab.txt", tmp_path / "vocab.txt")
    stored = compact_files.read_networks(compact / "model.safetensors")
    hparams = {**stored.seal.hparams, "init_checkpoint": str(compact), "vocab_size": None}
    config, _, start = prepare(PretrainingConfig.create(str(tmp_path), "next", hparams))
    assert config.vocab_size == stored.seal.hparams["vocab_size"]
    pretrainer = ElectraPretrainer.from_networks(config.networks, dtype="float32")
    lines = []
    initialize(pretrainer, start, lines.append)
    number = len(stored.weights)
    assert lines == [f"initialised {number} of {number} weights from {compact}"]
    assert_equal(values(pretrainer), stored.weights)

    alone = {**hparams, "init_checkpoint": str(presets / "tiny" / "preset")}
    with pytest.raises(InputError, match=r"is a KerasHub preset; expected .* a compact preset"):
        prepare(PretrainingConfig.create(str(tmp_path), "next", alone))
    words = (tmp_path / "vocab.txt").read_text(encoding="utf-8")
    (tmp_path / "vocab.txt").write_text(words.replace("\ntok0\n", "\nother\n"), encoding="utf-8")
    for path in (compact, compact.parent):  # the preset, and the directory that convert makes
        start = {**hparams, "init_checkpoint": str(path)}
        with pytest.raises(InputError, match="is not the vocabulary of"):
            prepare(PretrainingConfig.create(str(tmp_path), "next", start))


def changed_heads(data):
    """Another number of attention heads in the description of the networks."""
    changed, count = re.subn(rb'("num_attention_heads\\": )\d', rb"\g<1>1", data)
    assert count == 1 and changed != data
    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "is damaged: it is not what was saved"),
        (changed_heads, "is damaged: it is not what was saved"),
        (lambda data: data[: len(data) // 2], "cannot be read"),
        (lambda data: b"", "cannot be read|describes .* weights"),
    ],
    ids=["a bit", "the seal", "cut", "empty"],
)
def test_damage_is_refused(copied, change, message):
    file = copied / "model.safetensors"
    file.write_bytes(change(file.read_bytes()))
    for load in (
        lambda: LVBertBackbone.from_preset(str(copied)),
        lambda: load_preset(LVBertBackbone, copied),
        lambda: load_model(CompactPreset(copied), pytest.fail),
    ):
        with pytest.raises(InputError, match=message):
            load()


def test_a_file_of_another_program_is_refused(copied):
    file = copied / "model.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(90_000, "float16")}, file)
    with pytest.raises(InputError, match="does not say which networks"):
        load_model(CompactPreset(copied), pytest.fail)


def test_numbers_of_other_types_are_refused(copied):
    file = copied / "model.safetensors"
    with safetensors.safe_open(file, framework="numpy") as opened:
        metadata = opened.metadata()
    safetensors.numpy.save_file({"a": np.zeros(90_000, "float64")}, file, metadata)
    with pytest.raises(InputError, match="a is F64; expected F16"):
        load_model(CompactPreset(copied), pytest.fail)


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_no_file_of_the_preset_is_refused(copied, compact, kind):
    file = copied / "model.safetensors"
    file.unlink()
    if kind == "link":
        file.symlink_to(compact / "model.safetensors")
    else:
        os.mkfifo(file)
    with pytest.raises(InputError, match=r"is a link to outside|is neither a file nor a directory"):
        load_model(CompactPreset(copied), pytest.fail)


def test_what_no_preset_should_hold_is_one_line(copied):
    """A link to itself, and a class whose name is none."""
    (copied / "loop").symlink_to("loop")
    with pytest.raises(InputError, match=r"the preset cannot be read: .*loop"):
        load_model(CompactPreset(copied), pytest.fail)
    (copied / "loop").unlink()
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "registered_name": []}))
    (copied / "step.json").unlink()
    with pytest.raises(InputError, match=r"the preset cannot be read: "):
        load_model(CompactPreset(copied), pytest.fail)
    (copied / "config.json").write_text(json.dumps(config))
    (copied / "task.json").write_text('{"class_name": []}')
    with pytest.raises(InputError, match=r"holds a \[\], not LVBertTextClassifier"):
        load_model(Preset(copied), pytest.fail)


def test_weights_of_another_architecture_are_refused(copied):
    config = json.loads((copied / "config.json").read_text())
    config["config"]["num_heads"] //= 2
    (copied / "config.json").write_text(json.dumps(config))
    (copied / "step.json").unlink()
    with pytest.raises(InputError, match=r"weights of another model: num_heads 2, not 1"):
        LVBertBackbone.from_preset(str(copied))


def test_a_seal_that_contradicts_the_weights_is_refused(copied):
    seal = compact_files.read_seal(copied / "model.safetensors")
    shape = {**seal.hparams["model_hparam_overrides"], "hidden_size": 2**20}
    change_seal(copied, hparams={**seal.hparams, "model_hparam_overrides": shape})
    with pytest.raises(InputError, match="which are not those of its hparams"):
        load_model(CompactPreset(copied), pytest.fail)
    change_seal(copied, hparams={**seal.hparams, "vocab_size": "many"})
    with pytest.raises(InputError, match=r"model\.safetensors: .*vocab_size"):
        load_model(CompactPreset(copied), pytest.fail)
    change_seal(copied, hparams=seal.hparams, vocabulary={"tokens": 9, "sha256": "0"})
    with pytest.raises(InputError, match="is not the vocabulary of 9"):
        load_model(CompactPreset(copied), pytest.fail)


def test_a_missing_weight_is_refused(copied):
    stored = compact_files.read_networks(copied / "model.safetensors")
    weights = dict(stored.weights)
    missing = weights.pop("discriminator.embeddings.layer_norm.gamma")
    weights["other"] = missing
    compact_files.write_networks(copied, dataclasses.replace(stored, weights=weights))
    (copied / "step.json").unlink()
    for load in (
        lambda: LVBertBackbone.from_preset(str(copied)),
        lambda: load_model(CompactPreset(copied), pytest.fail),
    ):
        with pytest.raises(
            InputError, match=r"has no discriminator\.embeddings\.layer_norm\.gamma"
        ):
            load()


def test_what_is_saved_there_afterwards_goes_first(copied, whole):
    encoder = LVBertBackbone.from_preset(str(copied))
    encoder.embeddings_projection.bias.assign_add(encoder.embeddings_projection.bias + 1)
    encoder.save_to_preset(str(copied))
    assert type(recognise(copied)) is Preset
    again = load_model(recognise(copied), pytest.fail).encoder
    for ours, theirs in zip(again.weights, encoder.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e5])
def test_numbers_that_16_bits_cannot_hold_are_refused(tmp_path, value):
    networks = StoredNetworks(Seal({}, {}, {}), {"a.b": np.array([0.0, value])})
    with pytest.raises(InputError, match=r"a\.b has values that 16-bit"):
        compact_files.write_networks(tmp_path, networks)


def test_it_lies_in_a_bucket(presets, bucket, whole):
    convert("preset", "compact", str(presets / "tiny"), f"{bucket}/tiny")
    stored = open_own_model(bucket / "tiny" / "preset", None)
    assert isinstance(stored, CompactPreset)
    assert_equal(values(load_model(stored, pytest.fail).pretrainer), rounded(whole))
    assert load_preset(LVBertBackbone, stored.path).layer_string == whole.discriminator.layer_string


def test_an_encoder_alone_is_not_compact(presets, tmp_path):
    message = refusal("preset", "compact", str(presets / "tiny" / "preset"), str(tmp_path / "out"))
    assert message.endswith("a compact preset is made of a whole pre-training")


def test_a_name_stands_for_a_preset_of_the_package(named, tmp_path):
    classifier = LVBertTextClassifier.from_preset(named, num_classes=2)
    assert classifier.preprocessor.tokenizer.get_vocabulary()
    assert LVBertTokenizer.from_preset(named).get_vocabulary()
    assert isinstance(open_model(named, Preset), CompactPreset)
    assert shipped.shipped_names() == [named]
    convert("preset", "huggingface", named, str(tmp_path / "out"))
    (tmp_path / named).mkdir()  # what the user has goes first
    assert shipped.located(named) == named
