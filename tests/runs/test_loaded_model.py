"""Loading what pre-training has left, from files that a run would have written."""

import json
import shutil
from pathlib import Path

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io.whole import write_json
from lvbert_tf.models import ElectraPretrainer, LVBertTokenizer
from lvbert_tf.runs.loaded_model import load_run
from lvbert_tf.runs.model_directory import read_config, save_preset, write_config
from lvbert_tf.runs.named_weights import named_weights
from lvbert_tf.runs.open_model import open_own_model
from lvbert_tf.text import Vocabulary
from lvbert_tf.training.checkpoints import Checkpoints

VOCABULARY = Path(__file__).parents[1] / "fixtures" / "tiny" / "vocab.txt"


def load(path):
    return load_run(open_own_model(path, None), pytest.fail)


@pytest.fixture
def write_run(tiny_config, tmp_path):
    """Writes a run with a checkpoint and a vocabulary; returns its directory and its networks."""

    def write(**hparams):
        directory = tmp_path / "run"
        vocabulary = directory / "vocab.txt"
        size = len(VOCABULARY.read_text(encoding="utf-8").splitlines())
        config = tiny_config(vocab_size=size, vocab_file=str(vocabulary), **hparams)
        pretrainer = ElectraPretrainer.from_networks(config.networks, dtype="float32")
        checkpoints = directory / "checkpoints"
        Checkpoints(checkpoints, 0, weights=named_weights(pretrainer)).save(0)
        shutil.copy(VOCABULARY, vocabulary)
        write_json(directory / "config.json", config.to_json_dict())
        return directory, pretrainer

    return write


def test_the_tokenizer_is_the_presets_where_there_is_one(write_run):
    directory, pretrainer = write_run()
    config = directory / "config.json"
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())  # saved by a Windows editor
    tokens = Vocabulary.load(VOCABULARY).tokens
    run = load(directory)
    assert run.tokenizer.tokenizer.vocabulary.tokens == tokens
    assert run.pretrainer.discriminator.layer_string == "CAF"
    changed = [*tokens[:-1], "other"]
    parts = (pretrainer.discriminator, LVBertTokenizer(changed))
    save_preset(parts, directory / "preset", 0)
    (directory / "vocab.txt").unlink()
    (checkpoint,) = (directory / "checkpoints").glob("step-*")
    for path in (directory, checkpoint):
        assert load(path).tokenizer.get_vocabulary() == changed


def test_a_vocabulary_that_has_changed_is_refused(write_run):
    directory, _ = write_run()
    config = read_config(directory)
    write_config(directory, config, Vocabulary.load(directory / "vocab.txt"))
    assert load(directory) is not None
    lines = (directory / "vocab.txt").read_text().splitlines(keepends=True)
    (directory / "vocab.txt").write_text("".join(lines[:40]))
    with pytest.raises(InputError, match="has 40 tokens and is not the vocabulary of 120 that"):
        load(directory)


def test_a_supernet_is_refused(write_run):
    directory, _ = write_run(layer_types="CAF", untied_generator=True)
    with pytest.raises(InputError, match="run is a supernet; train one string of it first"):
        load(directory)


@pytest.mark.parametrize(
    "change",
    [
        {"custom_layer_list": "C"},  # whose weights the checkpoint has all
        {"custom_layer_list": "FAC"},
        {"custom_layer_list": "CAFF"},
        {"embedding_size": 9},
        {"generator_hidden_size": 0.25},
        {"layer_types": "CAF"},
    ],
    ids=str,
)
def test_a_config_of_other_networks_than_the_weights_is_refused(write_run, change):
    directory, _ = write_run()
    content = json.loads((directory / "config.json").read_text())
    content["hparams"] |= change
    write_json(directory / "config.json", content)
    with pytest.raises(InputError, match=r"config.json describes other networks .* put back"):
        load(directory)
