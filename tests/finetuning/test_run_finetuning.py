"""The fine-tuning program: what it learns, leaves behind, continues and refuses."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_tuning import NAME, make_data, settings

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.learning.trial import Trainer
from lvbert_tf.finetuning.predict_lines import predict_lines
from lvbert_tf.finetuning.run import finetune
from lvbert_tf.models import LVBertTextClassifier
from lvbert_tf.serving.servable_model import load_servable_model
from lvbert_tf.serving.versions import export

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("finetuning") / "data")


@pytest.fixture(scope="module")
def trained(data):
    """Two trials of sst."""
    assert finetune(str(data), NAME, settings("sst", num_trials=2)) == 0
    return data / "models" / NAME


def result(model_dir, tasks, trial):
    path = model_dir / "finetuning_models" / f"{tasks}_{trial}" / "result.json"
    return json.loads(path.read_text())


def test_it_learns_and_each_trial_has_a_seed_of_its_own(trained):
    first, second = (result(trained, "sst", trial) for trial in (1, 2))
    assert (first["seed"], second["seed"]) == (42, 43)
    assert first["steps"] == 256 * 6 // 8
    for found in (first, second):
        assert found["figures"]["sst"]["dev"]["accuracy"] >= 90.0
    assert first["figures"]["sst"]["dev"]["loss"] != second["figures"]["sst"]["dev"]["loss"]


def test_a_trial_leaves_a_preset_predictions_and_curves(trained):
    directory = trained / "finetuning_models" / "sst_1"
    assert not (directory / "checkpoints").exists()
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [50, 100, 150, 192]
    assert json.loads(lines[-1])["loss"] < json.loads(lines[0])["loss"]
    predictions = (directory / "predictions" / "sst_dev.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in predictions]
    assert [prediction["line"] for prediction in found] == list(range(2, 258))
    assert all(sum(p["probabilities"].values()) == pytest.approx(1.0) for p in found)

    classifier = LVBertTextClassifier.from_preset(str(directory / "presets" / "sst"))
    assert classifier.labels == ("0", "1")
    logits = classifier.predict(["the film was great", "a dull plot"], verbose=0)
    assert logits.argmax(axis=1).tolist() == [1, 0]


def test_the_same_command_does_nothing_again(data, trained):
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("sst_*/result.json")}
    assert finetune(str(data), NAME, settings("sst", num_trials=2)) == 0
    assert len(before) == 2 and all(
        path.stat().st_mtime_ns == then for path, then in before.items()
    )


def test_one_seed_gives_one_result(data, trained, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("finetuning_models", "results"))
    assert finetune(str(copy), NAME, settings("sst", seed=43)) == 0
    again = result(copy / "models" / NAME, "sst", 1)
    assert again["figures"] == result(trained, "sst", 2)["figures"]


def test_trials_keep_what_was_compiled(data, monkeypatch):
    """To set TensorFlow's seed is to forget every compiled function; the run may do so as it begins."""
    seeds = []
    monkeypatch.setattr(tf.random, "set_seed", seeds.append)
    changes = {"num_trials": 3, "num_train_epochs": 0.5}
    assert finetune(str(data), NAME, settings("pos", **changes)) == 0
    assert len(seeds) <= 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_rows_of_several_lengths_are_learned_in_each_precision(data, tmp_path, precision):
    copy = tmp_path / "data"
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("finetuning_models", "results"))
    assert finetune(str(copy), NAME, settings("sst", num_train_epochs=1, precision=precision)) == 0
    assert result(copy / "models" / NAME, "sst", 1)["steps"] == 32


def test_other_settings_are_refused_unless_overwritten(data, trained, tmp_path, capsys):
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    with pytest.raises(InputError, match=r"learning_rate: 0.005 there, 0.02 here.*--overwrite"):
        finetune(str(copy), NAME, settings("sst", learning_rate=2e-2))
    whole = (copy / "finetuning_data" / "sst" / "train.tsv").read_text()
    with (copy / "finetuning_data" / "sst" / "train.tsv").open("a") as file:
        file.write("a great film\t1\n")
    with pytest.raises(InputError, match="the training data have changed"):
        finetune(str(copy), NAME, settings("sst"))
    (copy / "finetuning_data" / "sst" / "train.tsv").write_text(whole)
    dev = copy / "finetuning_data" / "sst" / "dev.tsv"
    dev.write_text(dev.read_text().replace("\t1\n", "\t0\n"))
    with pytest.raises(InputError, match=r"rows of dev have changed \(sst\)"):
        finetune(str(copy), NAME, settings("sst"))
    assert "nothing is learned" not in capsys.readouterr().err
    short = settings("sst", num_train_epochs=0.03)
    assert finetune(str(copy), NAME, short, overwrite=True) == 0
    assert result(copy / "models" / NAME, "sst", 1)["steps"] == 1
    assert "warning: the rows make but one step" in capsys.readouterr().err


def test_trained_models_are_evaluated_again(data, trained):
    before = json.loads((trained / "results" / "sst_results.json").read_text())
    assert finetune(str(data), NAME, settings("sst", num_trials=2, do_train=False)) == 0
    after = json.loads((trained / "results" / "sst_results.json").read_text())
    assert (after["trials"], after["summary"]) == (before["trials"], before["summary"])
    only = {"task_names": ["sst"], "num_trials": 2, "do_train": False}
    assert finetune(str(data), NAME, json.dumps(only)) == 0
    after = json.loads((trained / "results" / "sst_results.json").read_text())
    assert after["settings"]["learning_rate"] == 5e-3  # that of the training
    with pytest.raises(InputError, match=r"sst_1 was trained with other .*learning_rate: 0.005"):
        finetune(str(data), NAME, settings("sst", do_train=False, learning_rate=1e-3))
    with pytest.raises(InputError, match=r"no trained model in .*sst_3; do_train trains one"):
        finetune(str(data), NAME, settings("sst", num_trials=3, do_train=False))


def test_several_tasks_share_an_encoder(data):
    assert finetune(str(data), NAME, settings("sst", "sts", num_train_epochs=12)) == 0
    model_dir = data / "models" / NAME
    found = result(model_dir, "sst,sts", 1)
    assert found["steps"] == 256 * 12 // 8 + 2 * 128 * 12 // 8  # sts has its pairs both ways round
    assert found["figures"]["sst"]["dev"]["accuracy"] >= 90.0
    assert found["figures"]["sts"]["dev"]["pearson"] >= 30.0
    presets = model_dir / "finetuning_models" / "sst,sts_1" / "presets"
    assert sorted(path.name for path in presets.iterdir()) == ["sst", "sts"]


def test_it_learns_in_float16(data):
    """Each trial begins with a loss scale that is too high, and skips steps until it has come down."""
    hparams = settings("pos", num_trials=2, precision="float16", num_train_epochs=4)
    model = data / "models" / "half"
    shutil.copytree(data / "models" / NAME / "preset", model / "preset")
    assert finetune(str(data), "half", hparams) == 0
    for trial in (1, 2):
        assert result(model, "pos", trial)["figures"]["pos"]["dev"]["accuracy"] >= 90.0
        path = model / "finetuning_models" / f"pos_{trial}" / "metrics.jsonl"
        first = json.loads(path.read_text().splitlines()[0])
        assert 1 <= first["skipped_steps"] <= 8
        assert first["loss_scale"] == 2.0 ** (15 - first["skipped_steps"])


def test_others_work_beside_a_run(data, trained, tmp_path, monkeypatch):
    """While sst is learned, in the middle of it: another task is, and what is there is used."""
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    model_dir = copy / "models" / NAME
    source = tmp_path / "in.txt"
    source.write_text("the film was great\n")
    targets = [tmp_path / f"out{number}.jsonl" for number in range(2)]
    train, done = Trainer.run_trial, []

    def train_among_others(self, directory):
        if directory.path.name.startswith("sst_") and not done:
            done.append(directory.trial)
            for changes in ({"num_trials": 3}, {"do_train": False}):
                with pytest.raises(InputError, match=r"another process is training sst in") as said:
                    finetune(str(copy), NAME, settings("sst", **changes))
                assert "\n" not in str(said.value)
            assert finetune(str(copy), NAME, settings("pos", num_train_epochs=0.5)) == 0
            for target in targets:
                predict_lines(str(copy), NAME, settings("sst"), str(source), str(target), 1)
            trial = model_dir / "finetuning_models" / "sst_1"
            tuned = load_servable_model(trial, None, "float32", print)
            assert export({"savedmodel": tuned}, tmp_path / "serving", "none").name == "1"
        return train(self, directory)

    monkeypatch.setattr(Trainer, "run_trial", train_among_others)
    assert finetune(str(copy), NAME, settings("sst", num_trials=3)) == 0
    assert done == [3]
    assert targets[0].read_text() == targets[1].read_text() != ""
    found = json.loads((model_dir / "results" / "sst_results.json").read_text())
    assert [trial["trial"] for trial in found["trials"]] == [1, 2, 3]
    assert (model_dir / "results" / "pos_results.json").exists()


def test_a_dev_set_of_one_row(data, tmp_path, capsys):
    copy = tmp_path / "data"
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("finetuning_models", "results"))
    (copy / "finetuning_data" / "sts" / "dev.tsv").write_text("a\tb\tscore\nfine\tgood\t5\n")
    assert finetune(str(copy), NAME, settings("sts", num_trials=2, num_train_epochs=0.03)) == 0
    assert capsys.readouterr().out.count("nan") == 2 * 5  # two correlations of trials and summary
    for trial in (1, 2):
        metrics = result(copy / "models" / NAME, "sts", trial)["figures"]["sts"]["dev"]
        assert metrics["pearson"] is None is metrics["spearman"] and metrics["mse"] > 0


def test_test_predictions_are_a_submission(data, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("finetuning_models", "results"))
    dev = copy / "finetuning_data" / "sst" / "dev.tsv"
    header, *rows = dev.read_text().splitlines()
    dev.write_text("\n".join([header, rows[0], "torn", "", rows[1], "a film\t2", *rows[2:9]]))
    changes = {"write_test_outputs": True, "num_train_epochs": 2, "keep_all_models": False}
    hparams = settings("sst", seed=7, num_trials=2, skip_bad_rows=True, **changes)
    assert finetune(str(copy), NAME, hparams) == 0
    model_dir = copy / "models" / NAME
    with zipfile.ZipFile(model_dir / "results" / "glue_submission.zip") as archive:
        lines = archive.read("SST-2.tsv").decode().splitlines()
    metrics = [result(model_dir, "sst", t)["figures"]["sst"]["dev"]["accuracy"] for t in (1, 2)]
    best = 1 + metrics.index(max(metrics))
    models = model_dir / "finetuning_models"
    tested, scored = (
        [json.loads(line) for line in path.read_text().splitlines()]
        for path in (
            models / f"sst_{best}" / "predictions" / f"sst_{split}.jsonl"
            for split in ("test", "dev")
        )
    )
    assert [prediction["line"] for prediction in tested] == list(range(2, 12))
    assert [prediction["line"] for prediction in scored] == [2, 5, *range(7, 14)]
    labels = [prediction["label"] for prediction in tested]
    assert lines == ["index\tprediction", *(f"{i}\t{label}" for i, label in enumerate(labels))]
    kept = [path.parent.name for path in models.glob("sst_*/presets")]
    assert kept == [f"sst_{best}"]


def test_test_sets_may_come_later(data, trained, tmp_path, capsys):
    """Trials that are done say what they lack, and keep their metrics when it is made up for."""
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    results = copy / "models" / NAME / "results"
    before = json.loads((results / "sst_results.json").read_text())
    wanted = {"num_trials": 2, "write_test_outputs": True}
    assert finetune(str(copy), NAME, settings("sst", **wanted)) == 0
    assert "no predictions for sst test: trial 1 was trained without" in capsys.readouterr().err
    assert not (results / "glue_submission.zip").exists()
    later = settings("sst", do_train=False, do_eval=False, **wanted)
    assert finetune(str(copy), NAME, later) == 0
    assert "predictions in SST-2.tsv" in capsys.readouterr().err
    after = json.loads((results / "sst_results.json").read_text())
    assert (after["trials"], after["summary"]) == (before["trials"], before["summary"])


def test_answers_may_be_scored_later(data, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("finetuning_models", "results"))
    changes = {"max_query_length": 4, "doc_stride": 4, "num_train_epochs": 1}
    folder = copy / "models" / NAME / "results" / "squad_qa"
    for later in ({"do_eval": False}, {}):
        assert finetune(str(copy), NAME, settings("squad", **changes, **later)) == 0
        assert not folder.exists()
    assert finetune(str(copy), NAME, settings("squad", **changes, do_train=False)) == 0
    assert (folder / "squad_eval.json").exists()


def test_questions_are_answered_in_the_form_of_squad(data):
    changes = {"max_query_length": 4, "doc_stride": 4, "num_train_epochs": 30}
    assert finetune(str(data), NAME, settings("squad", **changes)) == 0
    model_dir = data / "models" / NAME
    metrics = result(model_dir, "squad", 1)["figures"]["squad"]["dev"]
    assert metrics["HasAns_total"] == 32 and metrics["NoAns_total"] == 16
    folder = model_dir / "results" / "squad_qa"
    answers, odds, scored = (
        json.loads((folder / f"squad_{what}.json").read_text())
        for what in ("preds", "null_odds", "eval")
    )
    assert scored == metrics and answers.keys() == odds.keys() and len(answers) == 48
    predictions = model_dir / "finetuning_models" / "squad_1" / "predictions" / "squad_dev.jsonl"
    last = json.loads(predictions.read_text().splitlines()[-1])
    assert (last["place"], last["id"]) == ("data[0].paragraphs[47].qas[0]", "dev47")
    contexts = {
        question["id"]: paragraph["context"]
        for paragraph in json.loads((data / "finetuning_data" / "squad" / "dev.json").read_text())[
            "data"
        ][0]["paragraphs"]
        for question in paragraph["qas"]
    }
    assert all(answers[key] in contexts[key] for key in answers)
    # Knowing no word of a context, a guess among its words is right in one case of ten.
    assert metrics["best_exact"] > 60.0


def test_devices_share_a_batch(tmp_path):
    """Without dropout two devices, whose steps are compiled, learn what one does."""
    copies = [make_data(tmp_path / name, layers="AF", dropout=0.0) for name in ("one", "two")]
    changes = {"head_dropout": 0.0, "num_train_epochs": 2}
    for copy, devices in zip(copies, (0, 2), strict=True):
        hparams = settings("sst", jit_compile=bool(devices), **changes)
        command = ["run_finetuning.py", "--data_dir", str(copy), "--model_name", NAME]
        options = ["--hparams", hparams, "--virtual_devices", str(devices)]
        run = subprocess.run([sys.executable, *command, *options], cwd=ROOT, capture_output=True)
        assert run.returncode == 0, run.stderr.decode()
    one, two = (
        result(copy / "models" / NAME, "sst", 1)["figures"]["sst"]["dev"] for copy in copies
    )
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task_names": ["sst", "colla"]}, "unknown task 'colla'.*'cola'"),
        ({"task_names": ["rte"]}, r"rte.train.tsv does not exist"),
        ({"max_seq_length": 25}, "max_seq_length of sst is 25, but the model has 24 positions"),
        ({"learning_rte": 1}, "unknown hparam 'learning_rte'.*'learning_rate'"),
        ({"init_checkpoint": "{data_dir}/nothing"}, "no model at .*nothing"),
        ({"custom_layer_list": "AF"}, "custom_layer_list is AF, but .*preset has CAF"),
        ({"task_names": []}, "task_names: expected one or more different names"),
        ({"train_batch_size": 0}, "train_batch_size: 0 is not allowed; use >= 1"),
        ({"task_names": ["pos"], "write_test_outputs": True}, "pos.test.txt does not exist"),
        ({"do_train": False, "do_eval": False}, "nothing to do"),
        ({"seed": 2**31}, "seed: 2147483648 is not allowed; use >= 0 and <= 2147483647"),
        ({"seed": 2**31 - 1, "num_trials": 2}, "the seed of the last trial"),
        ({"doc_stride": 2**31}, "doc_stride: 2147483648 is not allowed"),
    ],
)
def test_bad_settings_are_one_line(data, changes, message):
    values = {**json.loads(settings("sst")), **changes}
    with pytest.raises(InputError, match=message) as caught:
        finetune(str(data), NAME, json.dumps(values))
    assert "\n" not in str(caught.value)


def test_overwriting_needs_training(data):
    with pytest.raises(
        InputError, match="--overwrite removes what was trained, but do_train false"
    ):
        finetune(str(data), NAME, settings("sst", do_train=False), overwrite=True)


def test_another_vocabulary_is_refused(data, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("finetuning_models"))
    words = (copy / "vocab.txt").read_text().splitlines()
    (copy / "vocab.txt").write_text("\n".join(sorted(words)) + "\n")
    with pytest.raises(InputError, match=r"the vocabulary of .*preset is not .*vocab.txt"):
        finetune(str(copy), NAME, settings("sst"))
