"""Exports for ONNX Runtime and OpenVINO have the numbers of the Keras models.

Run by `make test-engines`, as live_engines.py.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ids_requests import BATCHES, SIGNATURES, assert_same
from live_engines import openvino, with_onnx_runtime, with_openvino

from lvbert_tf.serving import load
from lvbert_tf.serving.servable_model import servable_pretrainer
from lvbert_tf.serving.versions import export

ROOT = Path(__file__).parents[2]
ENGINES = Path(sys.executable).parents[1] / "engines"
RUN = {"onnx": with_onnx_runtime, "openvino": with_openvino}


@pytest.fixture(scope="module")
def exported(served, two_towers, tmp_path_factory):
    """Exports a model by its name in both formats, once; gives the directory of the version."""
    directory, versions = tmp_path_factory.mktemp("engines"), {}
    towers = servable_pretrainer(two_towers, served["pretrained"].tokenizer)

    def of(name):
        if name not in versions:
            model = towers if name == "two_towers" else served[name]
            versions[name] = export(dict.fromkeys(RUN, model), directory / name, "MIT")
        return versions[name]

    return of


def file_of(version, engine, signature):
    files = json.loads((version / "config.json").read_text())["files"][engine]
    return str(version / files["predict_ids" if signature == "serving_default" else signature])


@pytest.mark.parametrize(("name", "signature"), SIGNATURES)
@pytest.mark.parametrize("engine", RUN)
def test_numbers(exported, keras_answers, engine, name, signature):
    run = RUN[engine](file_of(exported(name), engine, signature))
    for inputs in BATCHES:
        assert_same(run(inputs), keras_answers(name, signature, inputs))


def test_each_layer_norm_is_one_operation(exported):
    version = exported("classifier")
    compiled = openvino.Core().compile_model(str(version / "openvino_model.xml"), "CPU")
    types = [
        operation.get_rt_info()["layerType"] for operation in compiled.get_runtime_model().get_ops()
    ]
    assert types.count("MVN") > 2 and "Reduce" not in types


def test_what_a_version_holds(exported):
    version = exported("pretrained")
    files = {file.name for file in version.iterdir()}
    models = {f"openvino_{name}" for name in ("model", "fill_mask", "replaced")}
    assert files == {
        *("tokenizer.json", "config.json", "model_card.md", "assets.extra"),
        *("model.onnx", "fill_mask.onnx", "replaced.onnx"),
        *(f"{name}{end}" for name in models for end in (".xml", ".bin")),
    }
    config = json.loads((version / "config.json").read_text())
    assert config["kind"] == "pretrained" and config["precision"] == "float32"
    assert config["inputs"] == ["token_ids", "segment_ids", "padding_mask"]
    assert str(version.parent) not in "".join(
        file.read_text(errors="ignore") for file in version.iterdir() if file.is_file()
    )


def test_bfloat16_halves_the_file_of_openvino(served, exported, keras_answers, tmp_path):
    model = {"openvino": served["classifier"]}
    version = export(model, tmp_path / "films", "MIT", precision="bfloat16")
    sizes = [
        (directory / "openvino_model.bin").stat().st_size
        for directory in (version, exported("classifier"))
    ]
    assert sizes[0] < 0.55 * sizes[1]
    run = with_openvino(str(version / "openvino_model.xml"))
    expected = keras_answers("classifier", "serving_default", BATCHES[0])["probabilities"]
    found = run(BATCHES[0])["probabilities"]
    np.testing.assert_allclose(found, expected, atol=5e-3)
    assert np.abs(found - expected).max() > 1e-6


@pytest.mark.parametrize("engine", RUN)
def test_many_texts_are_answered_side_by_side_in_their_order(exported, engine):
    model = load(exported("classifier"), engine, threads=3)
    texts = [f"{'a long ' * (number % 7)}text of number {number}" for number in range(100)]
    found = list(model.stream(texts, batch_size=2))  # 32 texts, 32 side by side, and so on
    assert model._started.cache_info().currsize == 2
    alone = load(exported("classifier"), engine, threads=1)
    for text, answer in zip(texts, found, strict=True):
        (expected,) = alone([text])
        assert answer["label"] == expected["label"]
        np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], atol=1e-5)


@pytest.mark.parametrize("engine", RUN)
def test_many_texts_are_answered_when_the_files_are_gone(exported, tmp_path, engine):
    shutil.copytree(exported("classifier"), tmp_path / "version")
    model = load(tmp_path / "version", engine, threads=2)
    (expected,) = model(["a text"])
    shutil.rmtree(tmp_path / "version")
    for answer in model.stream(["a text"] * 100, batch_size=2):
        np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], atol=1e-5)


def test_the_program(models, tmp_path):
    models["classifier"].save_to_preset(str(tmp_path / "preset"))
    program = [sys.executable, str(ROOT / "export_saved_model.py"), "--model_dir"]
    program += [str(tmp_path / "preset"), "--output_dir", str(tmp_path / "films")]
    done = subprocess.run(
        [*program, "--format", "savedmodel,onnx,openvino"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ENGINES)},
    )
    assert done.returncode == 0, done.stderr
    version = Path(done.stdout.strip())
    files = json.loads((version / "config.json").read_text())["files"]
    assert {name: found["predict_ids"] for name, found in files.items()} == {
        "savedmodel": "saved_model.pb",
        "onnx": "model.onnx",
        "openvino": "openvino_model.xml",
    }
    assert done.stderr.count("\n") <= 1, done.stderr
