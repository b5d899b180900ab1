import shutil
from collections import namedtuple

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.training.model_directory import save_preset, write_json


def test_no_room_for_a_preset_keeps_the_old_one(tmp_path, tiny_pretrainer, monkeypatch):
    backbone = tiny_pretrainer()[0].discriminator
    directory = tmp_path / "preset"
    save_preset(backbone, directory, step=1)
    written = sum(file.stat().st_size for file in directory.iterdir())
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(written))
    with pytest.raises(InputError, match=r"cannot write .*preset: it needs \d+ MB of free space"):
        save_preset(backbone, directory, step=2)
    assert [path.name for path in tmp_path.iterdir()] == ["preset"]
    assert (directory / "step.json").read_text() == '{\n  "step": 1\n}\n'
    save_preset(backbone, directory, step=1)  # there is nothing to write


def test_json_on_a_full_disk_keeps_the_old_file(tmp_path, full_disk):
    path = tmp_path / "eval.json"
    write_json(path, {"step": 1})
    before = path.read_text()
    with (
        full_disk(5),
        pytest.raises(InputError, match=r"cannot write .*eval\.json: File too large"),
    ):
        write_json(path, {"step": 2})
    assert path.read_text() == before
