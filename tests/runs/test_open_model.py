"""What a path holds is found out by its files."""

import json
import shutil

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.runs.open_model import (
    BareCheckpoint,
    Preset,
    ReferenceCheckpoint,
    Run,
    TransformersDirectory,
    Trial,
    open_model,
    open_own_model,
    recognise,
)


def write(directory, **files):
    for name, content in files.items():
        path = directory / name.replace("__", "/").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return directory


PRESET = {"class_name": "x"}


@pytest.mark.parametrize(
    ("files", "path", "kind"),
    [
        ({"config_json": {"hparams": {}}}, "", Run),
        ({"config_json": {"hparams": {}}}, "checkpoints/step-00000002", Run),
        ({"checkpoints__step-2__state.index": 0}, "", BareCheckpoint),
        ({"checkpoints__step-2__state.index": 0}, "checkpoints/step-2", BareCheckpoint),
        ({"copied__state.index": 0}, "copied", BareCheckpoint),
        ({"config_json": PRESET}, "", Preset),
        ({"preset__config_json": PRESET}, "", Preset),
        ({"config_json": {"hparams": {}}, "presets__sst__config_json": PRESET}, "", Trial),
        ({"config_json": {"hparams": {}, "inputs": ""}}, "", Trial),
        ({"config_json": {"hparams": {}}, "result_json": {}}, "", Trial),
        ({"config_json": {"hparams": {}, "inputs": ""}}, "checkpoints/step-2", BareCheckpoint),
        ({"config_json": {"model_type": "electra"}}, "", TransformersDirectory),
        ({"generator__config_json": {}}, "", TransformersDirectory),
    ],
)
def test_each_kind_is_recognised(tmp_path, files, path, kind):
    assert type(recognise(write(tmp_path, **files) / path)) is kind


def test_a_reference_checkpoint_is_recognised_by_its_variables(fixtures, tmp_path):
    prefix = str(fixtures / "tiny" / "model.ckpt")
    assert open_model(prefix, Run, ReferenceCheckpoint).path == prefix
    assert recognise(str(tmp_path / "model.ckpt")) is None
    directory = shutil.copytree(fixtures / "tiny", tmp_path / "tiny")
    (directory / "checkpoint").write_text('model_checkpoint_path: "model.ckpt"')
    assert (directory / "config.json").exists()  # of another program
    assert isinstance(open_model(directory, Run, ReferenceCheckpoint), ReferenceCheckpoint)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"study.journal": 0}, "a search; give the run of a string"),
        ({"1__saved_model.pb": 0}, "a SavedModel, which is for serving; give the model"),
        (
            {"sst_1__presets__x": 0},
            "a directory of trials of fine-tuning; give one of them, as .*1$",
        ),
        (
            {"config_json": {"model_type": "x"}},
            "is a model of .* transformers; expected the dir.* or a",
        ),
        ({"config_json": {}}, r"config\.json cannot be read: not the configuration of a"),
        ({}, r"no model at .*: expected the directory of a pre-training run \(models/NAME\) or a"),
    ],
)
def test_what_is_no_model_that_is_wanted_is_named(tmp_path, files, words):
    with pytest.raises(InputError, match=words):
        open_model(write(tmp_path, **files), Run, Preset)


def test_the_preset_of_a_task_is_found_in_a_trial(tmp_path):
    trial = write(tmp_path / "t", presets__sst__config_json=PRESET, presets__half__x=0)
    for task in ("sst", None):
        assert open_own_model(trial, task).path == trial / "presets" / "sst"
    write(trial, presets__sts__config_json=PRESET)
    for task, words in ((None, "t has several tasks, name one"), ("x", "no task x: sst, sts$")):
        with pytest.raises(InputError, match=words):
            open_own_model(trial, task)
    with pytest.raises(InputError, match=r"--task sst: .* is no trial of fine-tuning"):
        open_own_model(trial / "presets" / "sst", "sst")
    shutil.rmtree(trial / "presets")
    for file, words in (("config_json", "is not trained yet"), ("result_json", "was not kept")):
        with pytest.raises(InputError, match=words):
            open_own_model(write(trial, **{file: {"inputs": ""}}), None)
