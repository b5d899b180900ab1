"""Exports in int8 multiply in 8 bits, answer nearly as in float32, and are calibrated with texts.

Run by `make test-engines`, as live_engines.py.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ids_requests import BATCHES
from live_engines import openvino, with_onnx_runtime, with_openvino
from texts_requests import TEXTS

from lvbert_tf.serving.calibration import MOST_TEXTS, calibration_inputs
from lvbert_tf.serving.versions import export

ROOT = Path(__file__).parents[2]
ENGINES = Path(sys.executable).parents[1] / "engines"
LINES = {"classifier": TEXTS[:2]}  # of calibration files, by the model


@pytest.fixture(scope="module")
def exported(served, tmp_path_factory):
    """Exports a model by its name in both formats, in int8; gives the directory of the version."""
    directory, versions = tmp_path_factory.mktemp("int8"), {}

    def of(name):
        if name not in versions:
            file = directory / f"{name}.txt"
            file.write_text("\n".join(LINES[name]), encoding="utf-8")
            inputs = calibration_inputs(served[name], directory, None, file)
            models = dict.fromkeys(("onnx", "openvino"), served[name])
            versions[name] = export(models, directory / name, "MIT", "int8", inputs)
        return versions[name]

    return of


def test_answers_are_nearly_those_of_float32(exported, keras_answers):
    version = exported("classifier")
    for run in (
        with_onnx_runtime(str(version / "model.onnx")),
        with_openvino(str(version / "openvino_model.xml")),
    ):
        for inputs in BATCHES:
            expected = keras_answers("classifier", "serving_default", inputs)["probabilities"]
            difference = np.abs(run(inputs)["probabilities"] - expected)
            assert 1e-6 < difference.max() < 0.15


def test_products_are_of_integers(exported):
    version = exported("classifier")
    import onnx  # where live_engines looks for it

    nodes = [node.op_type for node in onnx.load(str(version / "model.onnx")).graph.node]
    assert "MatMul" in nodes  # of attention, whose factors are both computed
    assert nodes.count("MatMulInteger") > nodes.count("MatMul")
    compiled = openvino.Core().compile_model(str(version / "openvino_model.xml"), "CPU")
    types = [
        operation.get_rt_info()["runtimePrecision"]
        for operation in compiled.get_runtime_model().get_ops()
        if operation.get_rt_info()["layerType"] == "FullyConnected"
    ]
    assert len(types) > 5 and types.count("i8") + types.count("u8") == len(types)


def test_long_files_are_read_evenly(served, tmp_path):
    file = tmp_path / "texts.txt"
    words = ["film"] * 1000 + ["a fine film"] * 1000
    file.write_text("\n".join(words))
    inputs = calibration_inputs(served["classifier"], tmp_path, None, file)
    lengths = [arrays["token_ids"].shape for arrays in inputs]
    assert len(inputs) == MOST_TEXTS and lengths.count(lengths[0]) == MOST_TEXTS // 2
    assert all(arrays["padding_mask"].all() for arrays in inputs)


@pytest.fixture(scope="module")
def trial(models, tmp_path_factory):
    """A trial of fine-tuning in its data directory, whose rows are there."""
    data = tmp_path_factory.mktemp("data")
    trial = data / "models" / "name" / "finetuning_models" / "sst_1"
    (trial / "presets").mkdir(parents=True)
    models["classifier"].save_to_preset(str(trial / "presets" / "sst"))
    (trial / "result.json").write_text("{}")
    (trial / "config.json").write_text(json.dumps({"hparams": {"data_source": "files"}}))
    rows = data / "finetuning_data" / "sst" / "train.tsv"
    rows.parent.mkdir(parents=True)
    rows.write_text("sentence\tlabel\n" + "a fine film\t1\nit was dull and long\t0\n" * 3)
    return trial


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "export_saved_model.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ENGINES)},
    )


def test_the_program_takes_the_rows_of_the_training(trial, tmp_path):
    flags = ["--format=openvino", "--precision=int8", "--model_dir", trial]
    done = run(*flags, "--output_dir", tmp_path / "films")
    assert done.returncode == 0, done.stderr
    version = Path(done.stdout.strip())
    assert version == tmp_path / "films" / "1"
    assert json.loads((version / "config.json").read_text())["precision"] == "int8"
    (trial.parents[3] / "finetuning_data").rename(tmp_path / "elsewhere")
    done = run(*flags, "--output_dir", tmp_path / "none")
    assert done.returncode == 2 and not (tmp_path / "none").exists()
    assert done.stderr.count("\n") == 1 and "--calibration" in done.stderr
    texts = tmp_path / "texts.txt"
    texts.write_text("a fine film\nit was dull\n")
    done = run(*flags, "--output_dir", tmp_path / "films", "--calibration", texts)
    assert done.returncode == 0 and done.stdout.strip().endswith("films/2"), done.stderr
