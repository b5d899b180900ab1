"""transformers itself and we compute the same logits, whoever saved the model.

`make test-interop` runs these by the file's name, which pytest does not take for a test's otherwise:
torch and transformers are in a virtual environment of their own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from added_tokens import some_texts
from test_huggingface import assert_same_logits
from test_huggingface_tasks import assert_same_outputs

from lvbert_tf.conversion.conversion import convert
from lvbert_tf.interop.huggingface_formats import TASKS
from lvbert_tf.interop.huggingface_reading import load_huggingface
from lvbert_tf.interop.huggingface_tokenizer import read_tokenizer, write_tokenizer
from lvbert_tf.models import ElectraPretrainer, LVBertTokenizer
from lvbert_tf.runs.loaded_model import load_task_preset
from lvbert_tf.runs.named_weights import named_weights
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.training.checkpoints import Checkpoints
from tests.presets.tiny_presets import KINDS, make_task

PARTS = ("discriminator", "generator")
PYTHON = Path(sys.executable).parents[1] / "interop" / "bin" / "python"
MODELS, TOKENIZERS = "transformers_models.py", "transformers_tokenizers.py"


def transformers(*arguments, program=MODELS):
    command = [str(PYTHON), str(Path(__file__).parent / program), *map(str, arguments)]
    # Code that is loaded with trust_remote_code is copied there, and nothing is fetched.
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(arguments[1]) + "_cache"}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **offline})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("embedding_size", [16, 32], ids=["two_projections", "one_projection"])
def test_we_read_what_it_saves(fixtures, tmp_path, embedding_size):
    vocabulary = fixtures / "tiny" / "vocab.txt"
    transformers("make", tmp_path, vocabulary, 5, embedding_size)
    pretrainer, _, report = load_huggingface(str(tmp_path))
    assert (report.missing, report.unused) == ((), ())
    assert_same_logits(pretrainer, tmp_path, PARTS)


def write_run(pretrainer, config, directory):
    """A model directory of pre-training."""
    Checkpoints(directory / "checkpoints", 0, weights=named_weights(pretrainer)).save(0)
    (directory / "config.json").write_text(json.dumps(config.to_json_dict()))


@pytest.mark.parametrize(
    ("layers", "hparams"),
    [
        ("AFAFAF", {}),
        ("AFAFAF", {"untied_generator_embeddings": True}),
        ("AFAFAF", {"untied_generator": False}),
        ("AFAFAF", {"embedding_size": 16, "do_lower_case": False}),
        ("CAFFCAC", {}),
        ("CCAF", {"embedding_size": 16, "mask_convolution_padding": False}),
    ],
    ids=["tied", "own_embeddings", "one_network", "cased", "lv_bert", "lv_bert_of_the_reference"],
)
def test_it_reads_what_we_write(fixtures, tmp_path, tiny_config, randomize, layers, hparams):
    vocabulary = fixtures / "tiny" / "vocab.txt"
    config: PretrainingConfig = tiny_config(
        custom_layer_list=layers, vocab_size=125, vocab_file=str(vocabulary), **hparams
    )
    pretrainer = randomize(ElectraPretrainer.from_networks(config.networks), seed=3)
    model, output = tmp_path / "model", tmp_path / "out"
    write_run(pretrainer, config, model)
    convert("preset", "huggingface", str(model), str(output))
    (output / "inputs.npz").write_bytes((fixtures / "huggingface" / "inputs.npz").read_bytes())
    transformers("logits", output)
    assert_same_logits(pretrainer, output, PARTS)
    tokenizer = LVBertTokenizer(str(vocabulary), config.do_lower_case)
    text = tokenizer("tok1 TOK20, sea").numpy().tolist()
    for part in PARTS:
        theirs = np.load(output / "logits.npz")[f"{part}_token_ids"].tolist()
        assert theirs[1:-2] == text
    if layers == "CAFFCAC":
        transformers("check", output)


@pytest.mark.parametrize("layers", ["AFAF", "CAFC"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_reads_our_fine_tuned_models(fixtures, tmp_path, randomize, layers, kind):
    task = make_task(kind, randomize, layers)
    if kind == "classifier":  # logits, as transformers gives them
        labels = {"labels": task.labels, "dropout": 0.2}
        task = type(task)(task.backbone, 3, task.preprocessor, **labels)
        randomize(task, seed=4)
    task.save_to_preset(str(tmp_path / "preset"))
    convert("preset", "huggingface", str(tmp_path / "preset"), str(tmp_path / "out"))
    (directory,) = (tmp_path / "out").iterdir()
    inputs = dict(np.load(fixtures / "huggingface" / "inputs.npz"))
    inputs["token_ids"] = inputs["token_ids"] % task.backbone.vocabulary_size
    np.savez(tmp_path / "out" / "inputs.npz", **inputs)
    transformers("logits", tmp_path / "out")
    assert_same_outputs(task, directory.name, tmp_path / "out")
    if kind in ("classifier", "tagger"):
        labels = np.load(tmp_path / "out" / "logits.npz")[f"{directory.name}_labels"]
        assert tuple(labels) == (task.labels if kind == "classifier" else task.tags)
    if (directory / "modeling_lv_bert.py").exists():
        transformers("check", tmp_path / "out")


@pytest.mark.parametrize("layers", [(), ("CAFC",)], ids=["electra", "lv_bert"])
def test_we_read_its_fine_tuned_models(fixtures, tmp_path, layers):
    vocabulary = fixtures / "tiny" / "vocab.txt"
    transformers("make_tasks", tmp_path, vocabulary, 5, *layers)
    for kind in TASKS:
        convert("huggingface", "preset", str(tmp_path / kind), str(tmp_path / f"{kind}_ours"))
        task = load_task_preset(tmp_path / f"{kind}_ours" / "preset", "float32")
        assert_same_outputs(task, kind, tmp_path)


def test_added_tokens_are_the_same_on_both_sides(fixtures, tmp_path):
    """On other texts than those of the fixture, read from its files and from ours."""
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    vocabulary = fixtures / "tiny" / "vocab.txt"
    transformers("make", theirs, vocabulary, program=TOKENIZERS)
    tokenizer = read_tokenizer(theirs)
    ours.mkdir()
    write_tokenizer(tokenizer, 512, ours)
    texts = some_texts(seed=1, count=600)
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    for directory in (theirs, ours):
        files = (tmp_path / "texts.json", tmp_path / "ids.json")
        transformers("ids", directory, *files, program=TOKENIZERS)
        expected = json.loads(files[1].read_text())
        got = tokenizer.tokenize(texts).to_list()
        assert [case for case in zip(texts, got, expected, strict=True) if case[1] != case[2]] == []
