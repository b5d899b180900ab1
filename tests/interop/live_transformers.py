"""transformers itself and we compute the same logits, whoever saved the model.

`make test-interop` runs these by the file's name, which pytest does not take for a test's otherwise:
torch and transformers are in a virtual environment of their own.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_huggingface import assert_same_logits

from lvbert_tf.config import PretrainingConfig
from lvbert_tf.interop.conversion import convert
from lvbert_tf.interop.huggingface_reading import load_huggingface
from lvbert_tf.models import ElectraPretrainer, LVBertTokenizer
from lvbert_tf.training.checkpoints import Checkpoints
from lvbert_tf.training.named_weights import named_weights

PARTS = ("discriminator", "generator")
PYTHON = Path(sys.executable).parents[1] / "interop" / "bin" / "python"
PROGRAM = Path(__file__).parent / "transformers_models.py"


def transformers(*arguments):
    done = subprocess.run(
        [str(PYTHON), str(PROGRAM), *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("embedding_size", [16, 32], ids=["two_projections", "one_projection"])
def test_we_read_what_it_saves(fixtures, tmp_path, embedding_size):
    vocabulary = fixtures / "tiny" / "vocab.txt"
    transformers("make", tmp_path, vocabulary, 5, embedding_size)
    pretrainer, _, report = load_huggingface(str(tmp_path))
    assert (report.missing, report.unused) == ((), ())
    assert_same_logits(pretrainer, tmp_path, PARTS)


@pytest.mark.parametrize(
    "hparams",
    [
        {},
        {"untied_generator_embeddings": True},
        {"untied_generator": False},
        {"embedding_size": 16, "do_lower_case": False},
    ],
    ids=["tied_embeddings", "own_embeddings", "one_network", "cased"],
)
def test_it_reads_what_we_write(fixtures, tmp_path, tiny_config, randomize, hparams):
    vocabulary = fixtures / "tiny" / "vocab.txt"
    config: PretrainingConfig = tiny_config(
        custom_layer_list="AFAFAF", vocab_size=125, vocab_file=str(vocabulary), **hparams
    )
    pretrainer = randomize(ElectraPretrainer.from_pretraining_config(config), seed=3)
    model, output = tmp_path / "model", tmp_path / "out"
    Checkpoints(model / "checkpoints", 0, weights=named_weights(pretrainer)).save(0)
    (model / "config.json").write_text(json.dumps(config.to_json_dict()))
    convert("preset", "huggingface", str(model), str(output))
    (output / "inputs.npz").write_bytes((fixtures / "huggingface" / "inputs.npz").read_bytes())
    transformers("logits", output)
    assert_same_logits(pretrainer, output, PARTS)
    tokenizer = LVBertTokenizer(str(vocabulary), config.do_lower_case)
    text = tokenizer("tok1 TOK20, sea").numpy().tolist()
    for part in PARTS:
        theirs = np.load(output / "logits.npz")[f"{part}_token_ids"].tolist()
        assert theirs[1:-2] == text
