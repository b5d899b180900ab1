"""A row of the table makes a built-in task, also outside GLUE; docs/tasks.md shows this row."""

import json
import zipfile
from dataclasses import replace

import pytest
from task_files import refusal
from tiny_tuning import NAME, make_data, sentences, settings

from lvbert_tf.finetuning.predict_lines import predict_lines
from lvbert_tf.finetuning.run import finetune
from lvbert_tf.finetuning.tasks.glue import GLUE_TASKS
from lvbert_tf.finetuning.tasks.registry import find_task
from lvbert_tf.finetuning.tasks.text_examples import ClassLabels
from lvbert_tf.finetuning.tasks.text_tasks import SubmissionTable, TextFile, TextTask
from lvbert_tf.finetuning.tasks.tfds_rows import TfdsDataset, same_splits

OPINION = TextTask(
    files={
        "train": TextFile("train", text=1, label=0),
        "dev": TextFile("dev", text=1, label=0),
        "test": TextFile("test", text=0),
    },
    labels=ClassLabels(("bad", "good")),
    metrics=("accuracy", "f1"),
    num_train_epochs=6.0,
    tfds=TfdsDataset(
        same_splits("opinions", train="train", dev="validation", test="test"),
        columns={"text": "review", "label": "verdict"},
        classes={"negative": "bad", "positive": "good"},
    ),
)
EXPECTED = ["good" if label else "bad" for _, label in sentences(10, 2)]


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setitem(GLUE_TASKS, "opinion", OPINION)
    directory = make_data(tmp_path / "data")
    folder = directory / "finetuning_data" / "opinion"
    folder.mkdir()
    for seed, split in enumerate(("train", "dev")):
        lines = [f"{'good' if label else 'bad'}\t{text}\n" for text, label in sentences(256, seed)]
        (folder / f"{split}.tsv").write_text("verdict\treview\n" + "".join(lines))
    (folder / "test.tsv").write_text("\n".join(["review", *(text for text, _ in sentences(10, 2))]))
    return directory


def test_a_row_is_a_task_that_is_trained_scored_and_predicted(data, tmp_path, monkeypatch):
    hparams = settings("opinion", num_train_epochs=None, write_test_outputs=True)
    assert finetune(str(data), NAME, hparams) == 0
    model_dir = data / "models" / NAME
    trial = model_dir / "finetuning_models" / "opinion_1"
    result = json.loads((trial / "result.json").read_text())
    assert result["steps"] == 256 * 6 // 8 and result["figures"]["opinion"]["dev"]["f1"] >= 90.0
    lines = (trial / "predictions" / "opinion_test.jsonl").read_text().splitlines()
    assert [json.loads(line)["label"] for line in lines] == EXPECTED
    assert not (model_dir / "results" / "glue_submission.zip").exists()

    source, target = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("the film was great\n")
    assert predict_lines(str(data), NAME, hparams, str(source), str(target), 1) == 0
    assert json.loads(target.read_text())["label"] == "good"

    tables = {"test": SubmissionTable("Opinion.tsv", rows=10, filler="good")}
    monkeypatch.setitem(GLUE_TASKS, "opinion", replace(OPINION, submission=tables))
    assert finetune(str(data), NAME, hparams) == 0
    with zipfile.ZipFile(model_dir / "results" / "glue_submission.zip") as archive:
        table = archive.read("Opinion.tsv").decode().splitlines()
    assert table[1:] == [f"{index}\t{label}" for index, label in enumerate(EXPECTED)]


def test_a_row_is_known_by_name_and_where_it_is_in_tfds(data):
    assert refusal(find_task, "opinoin", data).endswith("the nearest known one is 'opinion'")
    task = find_task("opinion", data, "tfds")
    assert [split.location for split in task.splits.values()] == [
        "tfds:opinions:train",
        "tfds:opinions:validation",
        "tfds:opinions:test",
    ]
