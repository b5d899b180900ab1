"""What is in a model directory is whole."""

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.models import LVBertTokenizer
from lvbert_tf.runs.model_directory import read_config, save_preset
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_config_is_one_line(tmp_path, text):
    assert read_config(tmp_path) is None
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config.json cannot be read"):
        read_config(tmp_path)


class Part:
    """Saves its text as a part of a preset; None is a kill in the middle."""

    def __init__(self, name, text):
        self.name, self.text = name, text

    @property
    def weights(self):
        return [tf.constant([*(self.text or "").encode()], tf.uint8)]

    def save_to_preset(self, directory):
        (Path(directory) / self.name).write_text(self.text or "half")
        if self.text is None:
            raise KeyboardInterrupt


def save_parts(preset, weights, vocabulary, step):
    save_preset((Part("weights", weights), Part("vocabulary", vocabulary)), preset, step)


def test_a_preset_is_the_old_or_the_new_one(tmp_path):
    preset = tmp_path / "preset"
    save_parts(preset, "first", "tokens", step=4)
    written = (preset / "weights").stat().st_mtime_ns
    save_parts(preset, "first", "tokens", step=4)
    assert (preset / "weights").stat().st_mtime_ns == written
    for killed in ({"weights": None, "vocabulary": ""}, {"weights": "x", "vocabulary": None}):
        with pytest.raises(KeyboardInterrupt):
            save_parts(preset, **killed, step=5)
        assert (preset / "weights").read_text() == "first"
    save_parts(preset, "second", "others", step=5)
    assert (preset / "weights").read_text() == "second"
    assert (preset / "vocabulary").read_text() == "others"
    assert [path.name for path in tmp_path.iterdir()] == ["preset"]


def test_no_room_for_a_preset_keeps_the_old_one(tmp_path, tiny_pretrainer, monkeypatch):
    backbone = tiny_pretrainer()[0].discriminator
    tokenizer = LVBertTokenizer([*SPECIAL_TOKENS, "a"])
    directory = tmp_path / "preset"
    save_preset((backbone, tokenizer), directory, step=1)
    written = sum(file.stat().st_size for file in directory.iterdir())
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(written))
    with pytest.raises(InputError, match=r"cannot write .*preset: it needs \d+ MB of free space"):
        save_preset((backbone, tokenizer), directory, step=2)
    assert [path.name for path in tmp_path.iterdir()] == ["preset"]
    assert json.loads((directory / "step.json").read_text())["step"] == 1
    save_preset((backbone, tokenizer), directory, step=1)  # there is nothing to write


def test_other_weights_of_the_same_step_are_another_preset(tmp_path):
    """The run was removed and started again, with another seed."""
    preset = tmp_path / "preset"
    save_parts(preset, "first", "tokens", step=4)
    save_parts(preset, "another", "tokens", step=4)
    assert (preset / "weights").read_text() == "another"


@pytest.mark.parametrize("file", ["weights", "vocabulary"])
def test_a_preset_with_a_missing_file_is_written_again(tmp_path, file):
    preset = tmp_path / "preset"
    save_parts(preset, "first", "tokens", step=4)
    (preset / file).unlink()
    save_parts(preset, "first", "tokens", step=4)
    assert (preset / "weights").read_text() == "first"
    assert (preset / "vocabulary").read_text() == "tokens"


@pytest.mark.parametrize("file", ["step.json", "vocabulary", "weights"])
@pytest.mark.parametrize("content", ["", "{", "\xff", '{"step": 5}', '{"step": 4, "checksum": 1}'])
def test_a_damaged_preset_is_written_again(tmp_path, file, content):
    preset = tmp_path / "preset"
    save_parts(preset, "first", "tokens", step=4)
    (preset / file).write_bytes(content.encode("latin-1"))
    save_parts(preset, "second", "tokens", step=4)
    assert (preset / "weights").read_text() == "second"
    written = (preset / "weights").stat().st_mtime_ns
    save_parts(preset, "second", "tokens", step=4)
    assert (preset / "weights").stat().st_mtime_ns == written
    assert (preset / "weights").read_text() == "second"
