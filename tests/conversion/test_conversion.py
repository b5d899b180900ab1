"""What convert_checkpoint.py writes: round trips are exact, and a converted model is of use."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras_hub
import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf
from conversions import CODES, fixture_hparams, refusal, tensors_of

from lvbert_tf.conversion.conversion import convert
from lvbert_tf.errors import InputError
from lvbert_tf.interop import load_reference_checkpoint
from lvbert_tf.models import ElectraPretrainer, LVBertTokenizer
from lvbert_tf.runs.initialization import initialize, load_pretrainer
from lvbert_tf.runs.named_weights import named_weights
from lvbert_tf.runs.open_model import Run
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.training.checkpoints import Checkpoints

ROOT = Path(__file__).parents[2]


# --- Round trips


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert (ours[name].dtype, ours[name].shape) == (tensor.dtype, tensor.shape), name
        assert ours[name].tobytes() == tensor.tobytes(), name


@pytest.mark.parametrize("name", CODES)
def test_the_reference_gets_back_what_it_wrote(fixtures, presets, tmp_path, name):
    output = tmp_path / "out"
    convert("preset", "reference", str(presets / name), str(output), reference_code=CODES[name])
    variables = ["global_step", "", *(fixtures / name / "variables.txt").read_text().split()]
    listed = {
        variable: "x".join(map(str, shape))
        for variable, shape in tf.train.list_variables(tf.train.latest_checkpoint(str(output)))
    }
    assert listed == dict(zip(variables[::2], variables[1::2], strict=True))
    assert_same(tensors_of(output / "model.ckpt"), tensors_of(fixtures / name / "model.ckpt"))
    assert (output / "vocab.txt").read_text() == (fixtures / name / "vocab.txt").read_text()


def test_a_graph_of_tensorflow_1_restores_what_was_written(presets, tmp_path):
    """As an Estimator of the reference does to evaluate: every variable and the step, or none."""
    convert("preset", "reference", str(presets / "tiny"), str(tmp_path / "out"))
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.train.get_or_create_global_step()
        for name, tensor in tensors_of(tmp_path / "out" / "model.ckpt").items():
            v1.get_variable(name, tensor.shape)
        v1.train.Saver().restore(session, tf.train.latest_checkpoint(str(tmp_path / "out")))
        assert session.run(step) == 0


@pytest.mark.parametrize("name", CODES)
def test_hparams_of_a_written_checkpoint_build_its_model(presets, tmp_path, name):
    output = tmp_path / "out"
    convert("preset", "reference", str(presets / name), str(output), reference_code=CODES[name])
    hparams = json.loads((output / "hparams.json").read_text())
    reports = []
    again = load_reference_checkpoint(str(output), hparams, reports.append)
    assert (reports[0].missing, reports[0].unused) == ((), ())
    before = load_pretrainer(presets / name, print)
    for part in ("discriminator", "generator"):
        ours, theirs = (getattr(model, part).get_config() for model in (again, before))
        assert {**ours, "name": ""} == {**theirs, "name": ""}


@pytest.mark.parametrize("name", ["electra_order", "official_electra"])
def test_from_the_reference_to_hugging_face_and_back(fixtures, tmp_path, name):
    source = fixtures / name
    there, back = tmp_path / "there", tmp_path / "back"
    path = str(source / "model.ckpt")
    convert("reference", "huggingface", path, str(there), fixture_hparams(source))
    convert("huggingface", "reference", str(there), str(back), reference_code=CODES[name])
    assert_same(tensors_of(back / "model.ckpt"), tensors_of(source / "model.ckpt"))


def test_from_hugging_face_to_a_preset_and_back(fixtures, tmp_path):
    source = fixtures / "huggingface"
    convert("huggingface", "preset", str(source), str(tmp_path / "there"))
    convert("preset", "huggingface", str(tmp_path / "there"), str(tmp_path / "back"))
    for part in ("discriminator", "generator"):
        ours, theirs = (
            safetensors.numpy.load_file(directory / part / "model.safetensors")
            for directory in (tmp_path / "back", source)
        )
        assert_same(ours, theirs)


@pytest.mark.parametrize("name", ["tiny", "official_electra"])
def test_there_and_back_with_code_of_our_own(presets, tmp_path, name):
    path = str(presets / name)
    convert("preset", "huggingface", path, str(tmp_path / "there"), huggingface_code="lv_bert")
    for part in ("discriminator", "generator"):
        written = {file.name for file in (tmp_path / "there" / part).iterdir()}
        assert written >= {f"{what}_lv_bert.py" for what in ("configuration", "modeling", "layers")}
        config = json.loads((tmp_path / "there" / part / "config.json").read_text())
        assert {name.partition(".")[0] for name in config["auto_map"].values()} == {
            *("configuration_lv_bert", "modeling_lv_bert")
        }
    convert("huggingface", "preset", str(tmp_path / "there"), str(tmp_path / "back"))
    before, after = (load_pretrainer(directory, print) for directory in (path, tmp_path / "back"))
    theirs = named_weights(before)
    for weight_name, weight in named_weights(after).items():
        np.testing.assert_array_equal(weight, theirs[weight_name], err_msg=weight_name)
    assert not after.discriminator.mask_convolution_padding or name == "official_electra"


# --- What a converted model is good for


def test_a_converted_model_is_a_model_directory(presets, tiny_config, capsys):
    directory = presets / "tiny"
    backbone = keras_hub.models.Backbone.from_preset(str(directory / "preset"))
    assert backbone.layer_string == "CAFFCA"
    assert not backbone.mask_convolution_padding  # the reference's convolution
    whole = load_pretrainer(directory, print)
    for ours, theirs in zip(backbone.weights, whole.discriminator.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    tokenizer = LVBertTokenizer.from_preset(str(directory / "preset"))
    assert tokenizer.vocabulary_size() == 120
    config = PretrainingConfig.from_json_dict(json.loads((directory / "config.json").read_text()))
    fresh = ElectraPretrainer.from_networks(config.networks)
    lines = []
    initialize(fresh, Run(directory), lines.append)
    (line,) = lines  # so nothing was left over on either side
    assert line.startswith(f"initialised {len(named_weights(fresh))} of")


def test_it_is_no_run_to_continue(presets):
    model = load_pretrainer(presets / "tiny", print)
    run = Checkpoints(
        presets / "tiny" / "checkpoints", 0, weights=named_weights(model), step=tf.Variable(0)
    )
    with pytest.raises(InputError, match="name it as init_checkpoint"):
        run.restore_latest(print)


def test_a_preset_alone_has_no_generator_and_no_head(presets, tmp_path):
    path = str(presets / "official_electra" / "preset")
    convert("preset", "reference", path, str(tmp_path / "ckpt"))
    assert all(name.startswith("electra/") for name in tensors_of(tmp_path / "ckpt" / "model.ckpt"))
    convert("preset", "huggingface", path, str(tmp_path / "hf"))
    assert [entry.name for entry in (tmp_path / "hf").iterdir()] == ["discriminator"]
    tensors = safetensors.numpy.load_file(tmp_path / "hf" / "discriminator" / "model.safetensors")
    assert all(name.startswith("electra.") for name in tensors)


# --- The output


def test_an_output_that_exists_is_kept(presets, tmp_path, fixtures):
    output, path = tmp_path / "out", str(presets / "tiny")
    output.mkdir()
    (output / "mine.txt").write_text("mine")
    assert "is not empty" in refusal("preset", "reference", path, str(output))
    message = refusal("preset", "reference", path, str(output), overwrite=True)
    assert "holds 'mine.txt'" in message
    (output / "mine.txt").rename(output / "model.ckpt.old")
    convert("preset", "reference", path, str(output), overwrite=True)
    assert not (output / "model.ckpt.old").exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out"]


def test_the_program(fixtures, presets, tmp_path):
    source = shutil.copytree(presets / "official_electra", tmp_path / "source")

    def run(*arguments):
        return subprocess.run(
            [sys.executable, str(ROOT / "convert_checkpoint.py"), *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": ""},
        )

    arguments = ("--from", "preset", "--to=huggingface", f"--input={source}")
    done = run(*arguments, "--output", str(tmp_path / "out"))
    assert (done.returncode, done.stdout.count("\n")) == (0, 3), done.stderr
    assert (tmp_path / "out" / "generator" / "model.safetensors").exists()

    data = source / "checkpoints" / "step-00000000" / "state.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:5000])
    failed = run(*arguments, "--output", str(tmp_path / "other"))
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "error: no checkpoint can be read" in failed.stderr.splitlines()[-1]
    assert not (tmp_path / "other").exists()
