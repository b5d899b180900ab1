"""Presets that are damaged or mean harm, read by the programs: one line, and nothing else happens."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import pytest
from tiny_presets import SENTENCES, TOKENS, make_task

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.run import finetune
from lvbert_tf.models import LVBertBackbone, LVBertTextClassifier, LVBertTokenizer
from lvbert_tf.presets.directory import is_preset, load_preset

ROOT = Path(__file__).parents[2]
CONFIGS = ("config.json", "task.json", "preprocessor.json", "tokenizer.json")
VOCABULARY = "assets/tokenizer/vocabulary.txt"

opened: set[str] | None = None


def _record(event, arguments):
    if opened is not None and event == "open":
        opened.add(os.fspath(arguments[0]) if not isinstance(arguments[0], int) else "")


sys.addaudithook(_record)  # it cannot be removed again


@pytest.fixture(scope="module")
def whole(tmp_path_factory, randomize):
    """A data directory with a task of its own, and a classifier's preset."""
    data = tmp_path_factory.mktemp("hostile") / "data"
    folder = data / "finetuning_data" / "mine"
    folder.mkdir(parents=True)
    (folder / "task.toml").write_text(
        'kind = "classification"\nlabels = ["0", "1"]\n[files]\ntrain = "a.tsv"\ndev = "a.tsv"\n'
        '[columns]\ntext = "text"\nlabel = "label"\n'
    )
    rows = [f"{text}\t{label}\n" for label, text in enumerate(SENTENCES)]
    (folder / "a.tsv").write_text("text\tlabel\n" + "".join(rows))
    make_task("classifier", randomize).save_to_preset(str(data / "preset"))
    return data


@pytest.fixture
def data(whole, tmp_path):
    """A copy, to be spoiled; beside it a file that nothing may read."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "vocabulary.txt").write_text("\n".join(TOKENS))
    return Path(shutil.copytree(whole, tmp_path / "data"))


def command(data):
    hparams = {"task_names": ["mine"], "max_seq_length": 12, "num_train_epochs": 1}
    preset = {"init_checkpoint": str(data / "preset"), "precision": "float32"}
    return str(data), "mine", json.dumps({**hparams, **preset})


def refusals(data) -> list[str]:
    """What the program says, and loading as a task; no file outside of the data may be opened."""
    global opened
    said, opened = [], set()
    try:
        for load in (
            lambda: finetune(*command(data)),
            lambda: load_preset(LVBertTextClassifier, data / "preset"),
        ):
            with pytest.raises(InputError) as caught:
                load()
            assert "\n" not in str(caught.value)
            said.append(str(caught.value))
        secrets = {path for path in opened if f"{data.parent}/secret" in path}
    finally:
        opened = None
    assert not secrets
    assert not (data / "models" / "mine" / "results").exists()
    return said


def edit(data, name, **changes):
    """Changes keys of one of a preset's configurations, `config__x` inside its `config`."""
    path = data / "preset" / name
    content = json.loads(path.read_text())
    for key, value in changes.items():
        outer, _, inner = key.partition("__")
        if inner:
            content[outer][inner] = value
        else:
            content[outer] = value
    path.write_text(json.dumps(content))


# --- Code

MARKER = "lvbert_hostile_marker"


def lambda_layer():
    """What Keras itself makes of a lambda: byte code, which writes a file."""
    layer = keras.layers.Lambda(lambda x: open(MARKER, "w").close() or x)
    return keras.saving.serialize_keras_object(layer)


def of_module(module, name):
    return {"module": module, "class_name": name, "config": {}, "registered_name": name}


HOSTILE = {
    "lambda": lambda_layer,
    "bytecode": lambda: lambda_layer()["config"]["function"],
    "module": lambda: of_module("hostile_module", "Harm"),
    "system": lambda: of_module("os", "system"),
    "kerashub": lambda: of_module("keras_hub.src.models.bert.bert_tokenizer", "BertTokenizer"),
    "registered": lambda: {
        **of_module("lvbert_tf.models.backbone", "LVBertBackbone"),
        "registered_name": "keras_hub>BertTokenizer",
    },
    "function": lambda: {**of_module("builtins", "function"), "config": "eval"},
    "savedmodel": lambda: {**of_module("keras.layers", "TFSMLayer"), "config": {"filepath": "/"}},
    "policy": lambda: {
        **of_module("keras", "DTypePolicy"),
        "registered_name": "keras_hub>BertTokenizer",
    },
}


@pytest.mark.parametrize("place", ["root", "dtype", "argument"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_no_foreign_class_is_built(data, monkeypatch, kind, place):
    (data / "hostile_module.py").write_text(f"open({MARKER!r}, 'w')\n")
    monkeypatch.syspath_prepend(data)
    monkeypatch.chdir(data)
    hostile = HOSTILE[kind]()
    path = data / "preset" / "config.json"
    if place == "root":
        path.write_text(json.dumps({"registered_name": "x", **hostile}))
    else:
        edit(data, "config.json", **{f"config__{'dtype' if place == 'dtype' else 'name'}": hostile})
    for said in refusals(data):
        assert "a preset may only hold LVBert classes" in said
    # KerasHub's own reader; it takes no class of its own choice from the root, and no dtype.
    if place == "argument":
        with pytest.raises(InputError, match="only hold LVBert classes"):
            LVBertBackbone.from_preset(str(data / "preset"))
    assert not (data / MARKER).exists()
    assert "hostile_module" not in sys.modules


@pytest.mark.parametrize("name", CONFIGS)
def test_every_configuration_is_looked_at(data, name):
    edit(data, name, config__backbone=HOSTILE["lambda"]())
    for said in refusals(data):
        assert f"{name}: it holds 'Lambda'" in said


# --- Files


def outside_link(data, secret):
    (data / "preset" / VOCABULARY).unlink()
    (data / "preset" / VOCABULARY).symlink_to(secret / "vocabulary.txt")


def outside_folder(data, secret):
    shutil.rmtree(data / "preset" / "assets" / "tokenizer")
    (data / "preset" / "assets" / "tokenizer").symlink_to(secret)


def named_vocabulary(data, secret):
    edit(data, "tokenizer.json", config__vocabulary=str(secret / "vocabulary.txt"))
    tokenizer = json.loads((data / "preset" / "tokenizer.json").read_text())
    edit(data, "preprocessor.json", config__tokenizer=tokenizer)
    task = json.loads((data / "preset" / "task.json").read_text())["config"]["preprocessor"]
    task["config"]["tokenizer"] = tokenizer
    edit(data, "task.json", config__preprocessor=task)


def absolute_asset(data, secret):
    edit(data, "tokenizer.json", config__config_file=f"{secret}.json")


def climbing_asset(data, secret):
    edit(data, "tokenizer.json", config__config_file="a/../../../../secret.json")


def pipe(data, secret):
    (data / "preset" / VOCABULARY).unlink()
    os.mkfifo(data / "preset" / VOCABULARY)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (outside_link, "vocabulary.txt is a link to outside of the preset"),
        (outside_folder, "tokenizer is a link to outside of the preset"),
        (named_vocabulary, "must not name a vocabulary"),
        (absolute_asset, "config_file '.*' is not the name of a file in the preset"),
        (climbing_asset, "config_file '.*' is not the name of a file in the preset"),
        (pipe, "vocabulary.txt is neither a file nor a directory"),
    ],
    ids=["link", "folder", "vocabulary", "absolute", "climbing", "pipe"],
)
def test_no_file_outside_is_read(data, spoil, message):
    spoil(data, data.parent / "secret")
    for said in refusals(data):
        assert re.search(message, said)


def test_a_preset_may_be_a_link_and_have_links_inside(data):
    preset = data / "preset"
    (preset / VOCABULARY).rename(preset / "words.txt")
    (preset / VOCABULARY).symlink_to("../../words.txt")
    (data / "link").symlink_to(preset)
    assert is_preset(data / "link")
    tokenizer = load_preset(LVBertTokenizer, data / "link")
    assert tokenizer.get_vocabulary() == TOKENS


# --- Damage


@pytest.mark.parametrize("part", [0.0, 0.02, 0.5, 0.98])
@pytest.mark.parametrize("name", [*CONFIGS, VOCABULARY, "model.weights.h5", "task.weights.h5"])
def test_truncated_files_are_one_line(data, name, part):
    path = data / "preset" / name
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(InputError) as caught:
        load_preset(LVBertTextClassifier, data / "preset")
    assert "\n" not in str(caught.value) and Path(name).name in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", VOCABULARY, "model.weights.h5"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\x00damaged", b"[" * 100_000, b"{}"])
def test_the_program_refuses_files_of_nonsense(data, name, content):
    path = data / "preset" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        finetune(*command(data))
    assert "\n" not in str(caught.value) and str(data / "preset") in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": []}, "config.json: there is no configuration"),
        ({"config": None}, "config.json: there is no configuration"),
        ({"config__vocabulary_size": 10**12}, "describes .* weights, but model.weights.h5 has"),
        ({"config__hidden_dim": 10**9}, "describes .* weights, but model.weights.h5 has"),
        ({"config__layer_string": "CAX"}, "layer_string.*'X'"),
        ({"config__layer_string": "CA"}, "layer_string CAF, not CA"),
        ({"config__hidden_dim": "16"}, "hidden_dim"),
    ],
    ids=["list", "null", "tokens", "width", "letter", "string", "text"],
)
def test_a_configuration_that_does_not_fit_is_one_line(data, changes, message):
    edit(data, "config.json", **changes)
    with pytest.raises(InputError, match=message) as caught:
        finetune(*command(data))
    assert "\n" not in str(caught.value)


def test_no_memory_is_taken_for_classes_that_were_not_saved(data):
    edit(data, "task.json", config__num_classes=10**13)
    with pytest.raises(InputError, match=r"task.json describes .* but task\.weights\.h5 has"):
        load_preset(LVBertTextClassifier, data / "preset")


def test_an_enormous_vocabulary_is_one_line(data):
    with (data / "preset" / VOCABULARY).open("r+b") as file:
        file.truncate(1 << 40)
    assert all("larger than 64 MiB" in said for said in refusals(data))


def test_other_models_are_named(data):
    edit(data, "config.json", class_name="BertBackbone", registered_name="keras_hub>BertBackbone")
    assert all("it holds 'keras_hub>BertBackbone'" in said for said in refusals(data))


# --- The program itself


def run(*arguments):
    program = [sys.executable, "run_finetuning.py", *arguments]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_exit_codes_of_the_program(data):
    data_dir, name, hparams = command(data)
    edit(data, "config.json", config__dtype=HOSTILE["bytecode"]())
    arguments = ("--data_dir", data_dir, "--model_name", name, "--hparams", hparams)
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ") and "Traceback" not in done.stderr
    assert "a preset may only hold LVBert classes" in done.stderr.splitlines()[-1]

    trial = data / "models" / name / "finetuning_models" / "mine_1" / "presets" / "mine"
    shutil.copytree(data / "preset", trial)
    shutil.copy(trial / "task.json", trial / "config.json")
    with h5py.File(trial / "task.weights.h5", "r+") as file:
        file["layers/dense/vars/1"][0] += 1
    done = run(*arguments, "--predict", "-")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert str(trial) in done.stderr.splitlines()[-1]
