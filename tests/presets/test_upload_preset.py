"""`keras_hub.upload_preset` with our presets, up to the network."""

import json
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import kagglehub
import keras_hub
import pytest
from tiny_presets import assert_same, make_task

from lvbert_tf.models import LVBertTextClassifier


@pytest.fixture(scope="module")
def saved(tmp_path_factory, randomize):
    task = make_task("classifier", randomize)
    directory = tmp_path_factory.mktemp("upload") / "preset"
    task.save_to_preset(str(directory))
    return task, directory


@pytest.fixture
def hugging_face(monkeypatch, tmp_path):
    """A hub that keeps what is uploaded in a folder, and knows no model cards."""

    def create_repo(repo_id, exist_ok):
        assert exist_ok
        return SimpleNamespace(repo_id=repo_id)

    def upload_folder(repo_id, folder_path):
        for path in Path(folder_path).rglob("*"):
            if path.is_file():
                copy = tmp_path / repo_id / path.relative_to(folder_path)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())

    monkeypatch.setattr(huggingface_hub, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub, "upload_folder", upload_folder)
    monkeypatch.setattr(huggingface_hub, "file_exists", lambda repo_id, filename: False)
    monkeypatch.setattr(
        huggingface_hub,
        "hf_hub_download",
        lambda repo_id, filename: str(_existing(tmp_path / repo_id / filename)),
    )
    return tmp_path


def _existing(path):
    if not path.exists():
        raise huggingface_hub.utils.EntryNotFoundError(path.name)
    return path


def test_to_hugging_face_and_back(saved, hugging_face):
    task, directory = saved
    before = sorted(path.name for path in directory.rglob("*"))
    keras_hub.upload_preset("hf://user/model", str(directory))
    card = (hugging_face / "user" / "model" / "README.md").read_text()
    assert "library_name: keras-hub\npipeline_tag: text-classification\n" in card
    assert "* **layer_string:** CAF" in card
    assert sorted(path.name for path in directory.rglob("*")) == before  # the card is theirs alone
    assert_same(LVBertTextClassifier.from_preset("hf://user/model"), task)


def test_to_kaggle(saved, monkeypatch):
    _, directory = saved
    calls = []
    monkeypatch.setattr(kagglehub, "model_upload", lambda *arguments: calls.append(arguments))
    keras_hub.upload_preset("kaggle://user/lvbert/keras/tiny", str(directory))
    assert calls == [("user/lvbert/keras/tiny", str(directory))]
    metadata = json.loads((directory / "metadata.json").read_text())
    assert metadata["parameter_count"] == saved[0].backbone.count_params()


def test_what_kerashub_refuses_to_upload(saved, tmp_path, hugging_face):
    _, directory = saved
    with pytest.raises(FileNotFoundError, match=r"config.json"):
        keras_hub.upload_preset("hf://user/model", str(tmp_path))
    with pytest.raises(ValueError, match="Unknown URI"):
        keras_hub.upload_preset("user/model", str(directory))
