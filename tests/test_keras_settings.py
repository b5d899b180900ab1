"""Keras's settings of a user are for other models; each case is a process, as Keras reads them once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_run import hparams_json, make_data

from lvbert_tf.pretraining.run import pretrain
from lvbert_tf.training.checkpoints import read_weights

ROOT = Path(__file__).parents[1]
OTHER = {
    "backend": "jax",
    "floatx": "float64",
    "epsilon": 0.01,
    "image_data_format": "channels_first",
}


def python(*arguments, keras_home, **variables):
    """Runs Python in the project's directory, with the user's settings of Keras."""
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**environment, "KERAS_HOME": str(keras_home), **variables},
    )


def keras_home(directory, content: str) -> Path:
    (directory / "keras.json").write_text(content)
    return directory


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(OTHER),
        json.dumps({"floatx": "bfloat16"}),  # at which Keras itself stops
        "[]",
    ],
    ids=["float64", "bfloat16", "damaged"],
)
def test_programs_have_the_defaults_of_keras(tmp_path, content):
    code = (
        "from lvbert_tf.quiet_import import import_tensorflow; import_tensorflow();"
        "import os; from keras import config as c;"
        "print(c.backend(), c.floatx(), c.epsilon(), c.image_data_format(), os.environ['KERAS_HOME']);"
        # Keras has not imported what no program uses; it can still be imported.
        "import sys, importlib.util; print('sklearn' in sys.modules, end=' ');"
        "print(importlib.util.find_spec('sklearn').name)"
    )
    home = keras_home(tmp_path, content)
    result = python("-c", code, keras_home=home)
    settings, others = result.stdout.splitlines()
    assert settings == f"tensorflow float32 1e-07 channels_last {home}"
    assert others == "False sklearn"
    assert (home / "keras.json").read_text() == content


def test_the_garbage_collector_leaves_alone_what_was_imported():
    code = (
        "import gc; gc.callbacks.append(lambda phase, info: made.append(phase)); made = [];"
        "from lvbert_tf.quiet_import import import_tensorflow; made.clear(); import_tensorflow();"
        "print(len(made), gc.get_freeze_count() > 100_000, gc.isenabled())"
    )
    assert python("-c", code, keras_home=Path("/nowhere")).stdout == "0 True True\n"


@pytest.mark.slow
def test_settings_do_not_change_what_is_learned(tmp_path):
    data = make_data(tmp_path / "data")
    settings = hparams_json(
        custom_layer_list="CAF", num_train_steps=2, log_steps=1, save_checkpoints_steps=2
    )
    assert pretrain(str(data), "here", settings) == 0
    home = keras_home(tmp_path, json.dumps(OTHER))
    command = ["run_pretraining.py", "--data_dir", data, "--model_name", "there"]
    result = python(*command, "--hparams", settings, keras_home=home, KERAS_BACKEND="torch")
    assert result.returncode == 0, result.stderr
    here, there = (
        read_weights(data / "models" / name / "checkpoints" / "step-00000002")
        for name in ("here", "there")
    )
    assert here.keys() == there.keys()
    for name, weight in here.items():
        np.testing.assert_array_equal(there[name], weight, err_msg=name)


@pytest.mark.parametrize(
    "variables", [{}, {"KERAS_BACKEND": "jax"}], ids=["keras.json", "variable"]
)
def test_the_library_chooses_its_backend(tmp_path, variables):
    code = "import lvbert_tf, keras; print(keras.config.backend())"
    home = keras_home(tmp_path, json.dumps({"backend": "jax"}))
    result = python("-c", code, keras_home=home, **variables)
    assert result.stdout == "tensorflow\n"


def test_keras_that_was_imported_with_another_backend_is_refused(tmp_path):
    """Keras's stand-in, as other backends need not be installed."""
    (tmp_path / "keras.py").write_text("class config:\n    backend = lambda: 'jax'\n")
    code = "import keras, lvbert_tf"
    result = python("-c", code, keras_home=tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert result.stderr.splitlines()[-1] == (
        "ImportError: lvbert_tf needs Keras with TensorFlow, but keras was imported with jax: set"
        " KERAS_BACKEND=tensorflow, or import lvbert_tf first"
    )
