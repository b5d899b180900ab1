"""Versions, warm-up requests, the model card, the program, and TensorFlow's C API."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text
from servable_models import LABELS, LENGTH
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from lvbert_tf.conversion.conversion import convert
from lvbert_tf.errors import InputError
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertTextClassifier,
    LVBertTextClassifierPreprocessor,
    LVBertTokenizer,
)
from lvbert_tf.serving.servable_model import load_servable_model, servable_task
from lvbert_tf.serving.versions import export
from lvbert_tf.serving.warmup import WARMUP_FILE, write_warmup_requests
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

ROOT = Path(__file__).parents[2]
TOKENS = [*SPECIAL_TOKENS, "a", "fine", "film", "dull", "."]
TEXTS = ["a fine film .", "dull"]


@pytest.fixture(scope="module")
def model(randomize):
    preprocessor = LVBertTextClassifierPreprocessor(LVBertTokenizer(TOKENS), LENGTH)
    backbone = LVBertBackbone(len(TOKENS), "CAF", 2, 16, 32, max_sequence_length=LENGTH)
    return randomize(LVBertTextClassifier(backbone, 3, preprocessor, labels=LABELS))


@pytest.fixture(scope="module")
def trial(model, tmp_path_factory):
    """What fine-tuning leaves: the model, its hparams and its figures."""
    directory = tmp_path_factory.mktemp("trial") / "sst_1"
    (directory / "presets").mkdir(parents=True)
    model.save_to_preset(str(directory / "presets" / "sst"))
    figures = {"sst": {"dev": {"accuracy": 87.654321, "loss": None}}}
    (directory / "result.json").write_text(json.dumps({"figures": figures}))
    (directory / "config.json").write_text(json.dumps({"hparams": {"learning_rate": 3e-4}}))
    return directory


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    return export(
        {"savedmodel": servable_task(model)}, tmp_path_factory.mktemp("serving") / "films", "MIT"
    )


def run(*arguments):
    program = [sys.executable, str(ROOT / "export_saved_model.py"), *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True)


def test_a_version_has_its_name_when_it_is_whole(model, exported, monkeypatch):
    assert exported.name == "1"
    folder = exported.parent
    seen = []
    write = tf.saved_model.save

    def save(*arguments):
        seen.append(sorted(child.name[:5] for child in folder.iterdir()))
        write(*arguments)
        seen.append(sorted(child.name[:5] for child in folder.iterdir()))

    monkeypatch.setattr(tf.saved_model, "save", save)
    assert export({"savedmodel": servable_task(model)}, folder, "MIT").name == "2"
    assert seen == 2 * [[".tmp-", "1"]]  # servers look for numbers alone
    assert sorted(child.name for child in folder.iterdir()) == ["1", "2"]
    (folder / "9").mkdir()
    assert export({"savedmodel": servable_task(model)}, folder, "MIT").name == "10"


def test_a_failed_export_leaves_nothing(model, tmp_path, monkeypatch):
    def fail(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(InputError, match=r"cannot write .*films: No space left on device"):
        export({"savedmodel": servable_task(model)}, tmp_path / "films", "MIT")
    assert list((tmp_path / "films").iterdir()) == []


def test_warm_up_requests_are_answered(exported):
    """As a server replays them: each is of a signature, with all of its inputs."""
    signatures = tf.saved_model.load(str(exported)).signatures
    path = exported / "assets.extra" / "tf_serving_warmup_requests"
    asked = set()
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        assert request.model_spec.name == "films"
        inputs = {name: tf.constant(tf.make_ndarray(x)) for name, x in request.inputs.items()}
        outputs = signatures[request.model_spec.signature_name](**inputs)
        asked.add((request.model_spec.signature_name, len(outputs["label"])))
    assert asked == {(name, rows) for name in ("serving_default", "predict_ids") for rows in (1, 8)}
    assert set(signatures) == {"serving_default", "predict_ids"}


def test_the_model_card(trial, tmp_path):
    served = load_servable_model(trial, "sst", "float32", print)
    version = export({"savedmodel": served}, tmp_path / "films", "CC BY 4.0")
    card = (version / "model_card.md").read_text()
    for part in (
        "# films",
        "| layers | `CAF`",
        "| licence of the weights | CC BY 4.0 |",
        "| classes | bad, so-so, good |",
        "| savedmodel | `predict_ids` | `saved_model.pb` |",
        "| precision | float32 |",
        "| `serving_default` | `text` string [?] | `label` string [?]; `probabilities` float32 [?, 3]",
        "| dev | accuracy | 87.65 |",
        "| dev | loss | None |",
        "| learning_rate | 0.0003 |",
        f"| parameters | {sum(weight.shape.num_elements() for weight in served.weights):,} |",
    ):
        assert part in card, part


def test_the_program_exports_a_trial(model, trial, tmp_path):
    done = run("--model_dir", trial, "--output_dir", tmp_path / "films", "--precision", "bfloat16")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "films" / "1")
    signature = tf.saved_model.load(done.stdout.strip()).signatures["serving_default"]
    expected = tf.nn.softmax(model.predict(TEXTS, verbose=0))
    found = signature(text=tf.constant(TEXTS))["probabilities"]
    np.testing.assert_allclose(found, expected, atol=0.05)
    assert np.abs(found - expected).max() > 1e-5  # the precision that was asked for


def test_the_program_exports_for_token_ids(trial, tmp_path):
    """Without an operation of tensorflow-text."""
    done = run("--model_dir", trial, "--output_dir", tmp_path / "films", "--inputs", "ids")
    assert done.returncode == 0, done.stderr
    file = tmp_path / "films" / "1" / "saved_model.pb"
    (graph,) = saved_model_pb2.SavedModel.FromString(file.read_bytes()).meta_graphs
    names = {name for name in graph.signature_def if not name.startswith("__")}
    assert names == {"serving_default", "predict_ids"}
    operations = {
        node.op for function in graph.graph_def.library.function for node in function.node_def
    }
    assert "MatMul" in operations
    assert not [name for name in operations if re.search("TFText|Fast|Ragged", name)]


@pytest.mark.parametrize(
    ("path", "task", "message"),
    [
        ("nowhere", None, r"no model at .*nowhere: expected a trial of fine-tuning"),
        ("trial", "cola", r"sst_1 has no task cola: sst$"),
        ("trial/presets/sst", "sst", r"--task sst: .* is no trial of fine-tuning"),
        ("not_kept", None, r"the model of this trial was not kept \(keep_all_models false\)"),
        ("damaged", None, r"damaged: the preset cannot be read: "),
        ("other", None, r"other holds a GemmaCausalLM, not LVBertTextClassifier \| "),
    ],
    ids=["nothing", "other task", "task of a preset", "not kept", "damaged", "other model"],
)
def test_what_cannot_be_exported_is_refused(trial, tmp_path, path, task, message):
    (tmp_path / "trial").symlink_to(trial)
    (tmp_path / "not_kept").mkdir()
    (tmp_path / "not_kept" / "result.json").write_text("{}")
    for name, files in {
        "damaged": {"config.json": '{"class_name": 3}', "task.json": "{}"},
        "other": {
            "config.json": '{"class_name": "x"}',
            "task.json": '{"class_name": "GemmaCausalLM"}',
        },
    }.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    if path == "trial":
        path = trial
    with pytest.raises(InputError, match=message):
        load_servable_model(tmp_path / path, task, "float32", print)


def test_the_program_says_in_a_line_what_is_wrong(tmp_path):
    done = run("--model_dir", tmp_path, "--output_dir", tmp_path / "films")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: no model at {tmp_path}: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_through_the_c_api(model, exported, tmp_path):
    """The libraries that the wheels of TensorFlow bring are enough."""
    package = Path(tf.__file__).parent
    program = tmp_path / "client"
    source = Path(__file__).parent / "saved_model_client.c"
    libraries = [package / "libtensorflow_cc.so.2", package / "libtensorflow_framework.so.2"]
    compile_ = ["cc", source, "-o", program, f"-I{tf.sysconfig.get_include()}", *libraries]
    subprocess.run([*compile_, f"-Wl,-rpath,{package}"], check=True)
    operations = sorted((Path(tensorflow_text.__file__).parent / "python" / "ops").glob("*.so"))
    saved = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0]
    signature = graph.signature_def["serving_default"]
    names = [signature.inputs["text"].name, signature.outputs["probabilities"].name]
    command = [program, exported, *operations, "--", *names, *TEXTS]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = np.array([line.split() for line in done.stdout.splitlines()], np.float32)
    expected = keras.ops.softmax(model.predict(TEXTS, verbose=0))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_pre_training_run_and_its_preset(fixtures, tmp_path):
    source = fixtures / "tiny"
    config = json.loads((source / "config.json").read_text())
    sizes = ("hidden_size", "num_attention_heads", "intermediate_size")
    hparams = {
        "generator_hidden_size": config["generator_hidden_size"],
        "model_hparam_overrides": {name: config[name] for name in sizes},
    }
    run_ = tmp_path / "run"
    checkpoint = str(source / "model.ckpt")
    convert("reference", "preset", checkpoint, str(run_), json.dumps(hparams))
    encoder = {"serving_default", "embed", "predict_ids"}
    served = load_servable_model(run_, None, "float32", print)
    assert set(served.signatures) == encoder | {
        *("fill_mask", "fill_mask_ids", "replaced_tokens", "replaced_tokens_ids")
    }
    assert set(served.of_ids().signatures) == {
        *("serving_default", "predict_ids", "fill_mask_ids", "replaced_tokens_ids")
    }
    alone = load_servable_model(run_ / "preset", None, "float32", print)
    assert set(alone.signatures) == encoder
    text = tf.constant(["the film"])
    vectors = [model.signatures["embed"](text)["sequence"] for model in (served, alone)]
    np.testing.assert_array_equal(*vectors)


def test_the_same_signatures_have_the_same_warmup_file(tmp_path):
    """Whatever the order in which a protocol buffer keeps the inputs."""
    inputs = [tf.TensorSpec([None], tf.string, name) for name in "abcdefgh"]
    for number, order in enumerate((inputs, inputs[::-1])):
        signature = SimpleNamespace(input_signature=order)
        write_warmup_requests(tmp_path / str(number), "model", {"serving_default": signature})
    first, second = (tmp_path / number / WARMUP_FILE for number in "01")
    assert first.read_bytes() == second.read_bytes()
