"""The program: what it leaves behind, and what it refuses."""

import json
import shutil
from pathlib import Path

import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from tiny_run import LENGTH, hparams_json, make_data, saved_steps, vocabulary_size, write_records

from lvbert_tf.errors import InputError
from lvbert_tf.io.locks import training_in
from lvbert_tf.pretraining.evaluation import Evaluator
from lvbert_tf.pretraining.run import describe_token_table, pretrain
from lvbert_tf.runs.initialization import load_pretrainer
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from lvbert_tf.training.checkpoints import read_weights

METRICS = (
    *("loss", "mlm_loss", "mlm_accuracy", "disc_loss", "disc_accuracy", "disc_auc"),
    *("gradient_norm", "parameter_norm", "update_norm"),
    *("learning_rate", "examples_per_second", "share_of_peak"),
)
SMALL = {"custom_layer_list": "F", "generator_layer_list": "F", "num_train_steps": 4}


def settings(**changes):
    return hparams_json(**{**SMALL, **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("run") / "data")


@pytest.fixture(scope="module")
def trained(data):
    assert pretrain(str(data), "trained", settings(vocab_size=None)) == 0
    return data / "models" / "trained"


def inputs():
    ids = np.random.default_rng(0).integers(5, 60, (2, LENGTH)).astype(np.int32)
    return {
        "token_ids": ids,
        "segment_ids": np.zeros_like(ids),
        "padding_mask": np.ones_like(ids),
    }


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (40, "vocab.txt: 40 tokens; token table: 40 rows"),
        (64, "vocab.txt: 40 tokens; token table: 64 rows, 24 of them for no token"),
        (
            30522,
            "vocab.txt: 40 tokens; token table: 30,522 rows, 30,482 of them for no token",
        ),
    ],
)
def test_the_user_sees_the_size_of_the_token_table(rows, line):
    vocabulary = Vocabulary((*SPECIAL_TOKENS, *map(str, range(40 - len(SPECIAL_TOKENS)))))
    assert describe_token_table("vocab.txt", vocabulary, rows) == line


def test_leaves_what_it_promises(trained):
    assert saved_steps(trained) == [3, 4]
    config = json.loads((trained / "config.json").read_text())
    assert config["hparams"]["custom_layer_list"] == "F"
    assert config["hparams"]["vocab_size"] == vocabulary_size()
    assert config["vocabulary"]["tokens"] == vocabulary_size()
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    train = next(line for line in lines if line["split"] == "train")
    for name in METRICS:
        assert name in train
    assert {path.name for path in (trained / "tensorboard").iterdir()} == {"train", "eval"}
    evaluation = json.loads((trained / "eval.json").read_text())
    assert evaluation["step"] == 4
    assert evaluation["examples"] == 12
    assert evaluation["baseline_disc_auc"] == 0.5
    assert 0 < evaluation["baseline_mlm_accuracy"] < 0.5


def test_the_preset_is_the_trained_discriminator(trained):
    backbone = keras_hub.models.Backbone.from_preset(str(trained / "preset"))
    outputs = backbone(inputs())
    assert outputs["sequence_output"].shape == (2, LENGTH, 16)
    weights = read_weights(trained / "checkpoints" / "step-00000004")
    table = backbone.embeddings.token_table
    np.testing.assert_array_equal(table, weights["discriminator.embeddings.token_table"])
    tokenizer = keras_hub.tokenizers.Tokenizer.from_preset(str(trained / "preset"))
    assert tokenizer.vocabulary_size() == backbone.vocabulary_size
    loaded = load_pretrainer(trained, print)
    np.testing.assert_array_equal(
        loaded.discriminator(inputs())["sequence_output"], outputs["sequence_output"]
    )


def test_evaluates_without_training(data, trained, capsys):
    before = json.loads((trained / "eval.json").read_text())
    (trained / "eval.json").unlink()
    assert pretrain(str(data), "trained", settings(do_train=False, do_eval=True)) == 0
    assert "always guessing" in capsys.readouterr().out
    assert json.loads((trained / "eval.json").read_text()) == before


def test_a_worker_lost_while_evaluating_is_one_line(data, trained, monkeypatch):
    def lose(*arguments):
        raise tf.errors.UnavailableError(None, None, "Connection reset by peer")

    monkeypatch.setattr(Evaluator, "evaluate", lose)
    with pytest.raises(InputError, match="another worker, or the TPU, was killed"):
        pretrain(str(data), "trained", settings(do_train=False, do_eval=True))


def test_starts_from_another_models_weights(data, trained, capsys):
    changes = {"custom_layer_list": "FC", "init_checkpoint": str(trained), "num_train_steps": 1}
    assert pretrain(str(data), "longer", settings(**changes)) == 0
    said = capsys.readouterr().err
    assert "from step 0 to 1" in said
    assert "not in the checkpoint, or of another shape: discriminator.layer_1." in said
    # The first step's learning rate is zero, so the weights are still those it started from.
    source = read_weights(trained / "checkpoints" / "step-00000004")
    target = read_weights(data / "models" / "longer" / "checkpoints" / "step-00000001")
    assert set(source) < set(target)
    for name, value in source.items():
        np.testing.assert_array_equal(target[name], value, err_msg=name)


def test_continues_from_a_reference_checkpoint(data, capsys):
    reference = Path(__file__).parents[1] / "fixtures" / "tiny"
    changes = {
        "init_checkpoint": str(reference / "model.ckpt"),
        "vocab_file": str(reference / "vocab.txt"),
        "vocab_size": 120,
        "custom_layer_list": [0, 1, 2, 2, 0, 1],
        "generator_layer_list": None,
        "embedding_size": 16,
        "model_hparam_overrides": {
            "hidden_size": 32,
            "intermediate_size": 128,
            "max_position_embeddings": 64,
        },
        "num_train_steps": 1,
    }
    assert pretrain(str(data), "continued", settings(**changes)) == 0
    said = capsys.readouterr().err
    assert "missing 0; unused 0" in said
    assert "from step 0 to 1" in said
    saved = read_weights(data / "models" / "continued" / "checkpoints" / "step-00000001")
    table = tf.train.load_checkpoint(changes["init_checkpoint"]).get_tensor(
        "electra/embeddings/word_embeddings"
    )
    np.testing.assert_array_equal(saved["discriminator.embeddings.token_table"], table)


def test_another_architecture_is_refused(data, trained):
    config = (trained / "config.json").read_bytes()
    with pytest.raises(InputError, match=r"layer_string: C here, F there"):
        pretrain(str(data), "trained", settings(custom_layer_list="C"))
    assert (trained / "config.json").read_bytes() == config


def test_averaged_weights_are_evaluated_and_kept(data, capsys):
    changes = {"ema_decay": 0.9, "num_train_steps": 3, "learning_rate": 0.1, "num_warmup_steps": 0}
    assert pretrain(str(data), "averaged", settings(**changes, profile_steps="1:3")) == 0
    model_dir = data / "models" / "averaged"
    assert list(model_dir.glob("tensorboard/plugins/profile/*/*.xplane.pb"))
    evaluation = json.loads((model_dir / "eval.json").read_text())
    checkpoint = model_dir / "checkpoints" / "step-00000003"
    averages = read_weights(checkpoint)
    name = "discriminator.embeddings.token_table"
    backbone = keras_hub.models.Backbone.from_preset(str(model_dir / "preset"))
    np.testing.assert_array_equal(backbone.embeddings.token_table, averages[name])
    reader = tf.train.load_checkpoint(str(checkpoint / "state"))
    key = f"weights/{name.replace('.', '..')}/.ATTRIBUTES/VARIABLE_VALUE"
    assert (reader.get_tensor(key) != averages[name]).any()

    # Whoever starts from the run has the averages, without training or averaging.
    start = {"init_checkpoint": str(model_dir), "num_train_steps": 1, "learning_rate": 1e-30}
    assert pretrain(str(data), "from_averages", settings(**start)) == 0
    again = json.loads((data / "models" / "from_averages" / "eval.json").read_text())
    assert again["loss"] == pytest.approx(evaluation["loss"], rel=1e-6)


def test_averages_cannot_begin_in_the_middle(data, trained):
    with pytest.raises(InputError, match=r"ema_decay 0.9: .*trained has not averaged its weights"):
        pretrain(str(data), "trained", settings(ema_decay=0.9))


def test_a_second_run_is_refused(data, trained):
    with training_in(trained), pytest.raises(InputError, match=r"another process is training in"):
        pretrain(str(data), "trained", settings(num_train_steps=8))


def test_divergence_stops_and_saves_nothing(data, capsys):
    changes = {"num_train_steps": 40, "learning_rate": 1e18, "num_warmup_steps": 0, "log_steps": 1}
    with pytest.raises(SystemExit) as stop:
        pretrain(str(data), "diverged", settings(**changes, save_checkpoints_steps=1))
    assert stop.value.code == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    steps = saved_steps(data / "models" / "diverged")
    assert "not finite at step" in last and "nor in the 10 steps before" in last
    lines = (data / "models" / "diverged" / "metrics.jsonl").read_text().splitlines()
    assert max(json.loads(line).get("skipped_steps", 0) for line in lines) == 10
    assert f"(step {steps[-1]})" in last if steps else "none was written" in last
    assert not (data / "models" / "diverged" / "preset").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 60}, r"vocab.txt has \d+ tokens, but vocab_size is 60"),
        ({"vocab_file": "nowhere.txt"}, r"nowhere.txt"),
        ({"pretrain_tfrecords": "nowhere/*"}, r"no record files match nowhere"),
        ({"max_seq_length": 8}, r"length 16, max_seq_length is 8"),
        ({"allow_missing_manifest": False}, r"no manifest.json"),
        ({"init_checkpoint": "nowhere"}, r"no model at nowhere: expected"),
        ({"seed": 2**31}, r"seed: 2147483648 is not allowed; use >= 0 and <= 2147483647"),
        ({"do_train": False, "do_eval": True}, r"there is no checkpoint in"),
    ],
)
def test_bad_input_is_one_line(data, changes, message):
    with pytest.raises(InputError, match=message) as error:
        pretrain(str(data), "refused", settings(**changes))
    assert "\n" not in str(error.value)


def test_bad_strategy_writes_nothing(data):
    with pytest.raises(InputError, match=r"--strategy 'many'"):
        pretrain(str(data), "nothing", settings(), strategy_name="many")
    assert not (data / "models" / "nothing").exists()


def test_a_corrupt_record_is_named_and_can_be_skipped(data, tmp_path, capsys):
    damaged = tmp_path / "data"
    shutil.copytree(data / "pretrain_tfrecords", damaged / "pretrain_tfrecords")
    shutil.copy(data / "vocab.txt", damaged)
    file = damaged / "pretrain_tfrecords" / "pretrain_data.tfrecord-1-of-2"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"tfrecord-1-of-2: record \d+ .*corrupt"):
        pretrain(str(damaged), "a", settings(num_train_steps=20))
    assert pretrain(str(damaged), "b", settings(num_train_steps=2, skip_corrupt_records=True)) == 0
    assert "1 corrupt records are left out" in capsys.readouterr().err


def test_a_record_of_another_length_is_one_line(data, tmp_path):
    """Its file begins with a record as they should be, and no manifest says what is in it."""
    file, short = tmp_path / "records.tfrecord", tmp_path / "short"
    write_records(file, 20, seed=0)
    features = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=[1] * 8))
        for name in ("input_ids", "input_mask", "segment_ids")
    }
    with tf.io.TFRecordWriter(str(short)) as writer:
        example = tf.train.Example(features=tf.train.Features(feature=features))
        writer.write(example.SerializeToString())
    file.write_bytes(file.read_bytes() + short.read_bytes())
    changes = {"pretrain_tfrecords": str(file), "num_train_steps": 30}
    with pytest.raises(
        InputError, match=rf"a record of {file} .* is no example of length {LENGTH}"
    ):
        pretrain(str(data), "mixed", settings(**changes))


def test_runs_without_held_out_records(data, tmp_path, capsys):
    directory = tmp_path / "data"
    (directory / "pretrain_tfrecords").mkdir(parents=True)
    shutil.copy(data / "vocab.txt", directory)
    write_records(directory / "pretrain_tfrecords" / "pretrain_data.tfrecord-0-of-1", 20, seed=0)
    assert pretrain(str(directory), "a", settings(num_train_steps=1)) == 0
    assert "no evaluation" in capsys.readouterr().err
