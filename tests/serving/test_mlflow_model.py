"""The description of a SavedModel that MLflow's server takes; test_model_servers.py serves with it."""

import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.serving.mlflow_model import write_mlflow_model

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    module = tf.Module()
    path = tmp_path_factory.mktemp("models") / "sst" / "1"
    texts, ids = tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.int32)
    joined = tf.function(lambda text_pair, text: {"both": text + text_pair})
    doubled = tf.function(lambda ids: {"ids": ids * 2})
    signatures = {
        "serving_default": joined.get_concrete_function(text_pair=texts, text=texts),
        "predict_ids": doubled.get_concrete_function(ids=ids),
    }
    tf.saved_model.save(module, str(path), signatures=signatures)
    return path


def test_mlflow_reads_it_and_finds_the_saved_model(saved_model, tmp_path):
    from mlflow.models import Model

    write_mlflow_model(tmp_path / "deep" / "sst", saved_model)
    model = Model.load(str(tmp_path / "deep" / "sst" / "MLmodel"))
    assert model.signature.inputs.input_names() == ["text", "text_pair"]
    relative = model.flavors["tensorflow"]["saved_model_dir"]
    assert not Path(relative).is_absolute()
    assert (tmp_path / "deep" / "sst" / relative).resolve() == saved_model.resolve()


def test_bad_input(saved_model, tmp_path):
    output = tmp_path / "out"
    with pytest.raises(InputError, match=r"no saved_model\.pb; name a version"):
        write_mlflow_model(output, saved_model.parent)
    with pytest.raises(
        InputError, match="no signature 'embed'; it has predict_ids, serving_default"
    ):
        write_mlflow_model(output, saved_model, "embed")
    with pytest.raises(InputError, match="input 'ids' of signature 'predict_ids' is no text"):
        write_mlflow_model(output, saved_model, "predict_ids")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for content in (b"", b"\xff" * 20, (saved_model / "saved_model.pb").read_bytes()[:-9]):
        (damaged / "saved_model.pb").write_bytes(content)
        with pytest.raises(InputError, match="is damaged"):
            write_mlflow_model(output, damaged)
    assert not output.exists()


def test_overwrites_only_what_it_wrote_and_when_told(saved_model, tmp_path):
    write_mlflow_model(tmp_path, saved_model)
    with pytest.raises(InputError, match="--overwrite"):
        write_mlflow_model(tmp_path, saved_model)
    write_mlflow_model(tmp_path, saved_model, overwrite=True)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        write_mlflow_model(tmp_path, saved_model, overwrite=True)


def test_program_says_what_is_wrong_in_one_line(tmp_path):
    command = [sys.executable, "-m", "examples.mlflow_model", "--saved-model", str(tmp_path)]
    command += ["--output_dir", str(tmp_path / "out")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ") and ended.stderr.count("\n") == 1
