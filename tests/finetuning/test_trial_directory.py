"""What a trial is continued with: the settings, tasks and data that it was begun with, no others."""

import dataclasses
import json

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.parts import DataSettings
from lvbert_tf.finetuning.results.trial_directory import Claim, TrialDirectory
from lvbert_tf.finetuning.task_data import read_task_data
from lvbert_tf.finetuning.tasks.registry import find_task

TOML = """
kind = "classification"
labels = ["good", "bad"]
metric = "accuracy"
num_train_epochs = 10
[files]
train = "train.tsv"
dev = "dev.tsv"
[columns]
text = "text"
label = "label"
"""
ROWS = "text\tlabel\nfine\tgood\npoor\tbad\n"
CLAIM = Claim({"learning_rate": 1e-3, "num_trials": 2, "jit_compile": "auto"}, "a hash", {})


def task_data(directory, toml=TOML, dev=ROWS):
    folder = directory / "finetuning_data" / "mine"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("task.toml", toml), ("train.tsv", ROWS), ("dev.tsv", dev)):
        (folder / name).write_text(text)
    return read_task_data(
        find_task("mine", directory), DataSettings(True, True, False, False, True), print
    )


@pytest.fixture
def directory(tmp_path):
    return TrialDirectory(tmp_path / "models", "mine", 1, 42)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"toml": TOML.replace('"accuracy"', '"mcc"')}, "metrics"),
        ({"toml": TOML.replace('"good", "bad"', '"bad", "good"')}, "labels"),
        ({"dev": ROWS + "dull\tbad\n"}, "rows of dev"),
        ({"dev": ROWS.replace("poor\tbad", "poor\tgood")}, "rows of dev"),
    ],
)
def test_a_task_that_was_edited_is_another_one(tmp_path, directory, changes, name):
    before = task_data(tmp_path / "data").identity()
    again, edited = (task_data(tmp_path / "elsewhere", **c).identity() for c in ({}, changes))
    assert before == again == json.loads(json.dumps(again))
    assert edited[name] != before[name]
    claim = dataclasses.replace(CLAIM, tasks={"mine": before})
    directory.claim(claim)
    directory.check(claim)
    with pytest.raises(InputError, match=rf"{name}.* \(mine\)\); --overwrite starts again"):
        directory.check(dataclasses.replace(CLAIM, tasks={"mine": edited}))


def test_splits_that_one_run_did_not_read_are_not_compared(tmp_path, directory):
    read = task_data(tmp_path / "data").identity()
    unread = {name: value for name, value in read.items() if name != "rows of dev"}
    for first, second in ((read, unread), (unread, read)):
        directory.claim(dataclasses.replace(CLAIM, tasks={"mine": first}))
        directory.check(dataclasses.replace(CLAIM, tasks={"mine": second}))


def test_trials_of_an_earlier_release_say_nothing_of_tasks(tmp_path, directory):
    directory.claim(CLAIM)
    path = directory.path / "config.json"
    saved = json.loads(path.read_text())
    del saved["tasks"]
    path.write_text(json.dumps(saved))
    directory.check(dataclasses.replace(CLAIM, tasks={"mine": {"kind": "regression"}}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hparams": {"learning_rate": 1e-2}}, r"learning_rate: 0.001 there, 0.01 here"),
        # It changes the lengths that batches are padded to, and so which rows are in a batch.
        ({"hparams": {"jit_compile": True}}, r"jit_compile: 'auto' there, True here"),
        ({"inputs": "another"}, "the pre-trained weights or the training data have changed"),
    ],
)
def test_other_settings_are_refused(directory, changes, message):
    directory.claim(CLAIM)
    directory.check(dataclasses.replace(CLAIM, hparams={"num_trials": 3}))
    with pytest.raises(InputError, match=message):
        directory.check(dataclasses.replace(CLAIM, **changes))


def test_a_trial_is_evaluated_with_the_settings_that_it_was_trained_with(directory):
    directory.claim(CLAIM)
    given = {"num_trials": 3, "do_train": False, "learning_rate": 1e-3}
    assert directory.check_given(given) == {**CLAIM.hparams, **given}
    with pytest.raises(InputError, match=r"learning_rate: 0.001 there, 0.1 here.* as it is"):
        directory.check_given({"learning_rate": 0.1})
