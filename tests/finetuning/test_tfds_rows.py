"""Rows of a TensorFlow Dataset, from one written here."""

import pytest
from task_files import refusal, task_with, texts_of

from lvbert_tf.finetuning.task_examples import Span
from lvbert_tf.finetuning.tasks.bad_rows import BadRows
from lvbert_tf.finetuning.tasks.tfds_rows import read_tfds


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> str:
    """The location of a dataset with a record for every kind of task."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict(
        {
            "sentence": tfds.features.Text(),
            "mood": tfds.features.ClassLabel(names=["sad", "glad"]),
            "score": tf.float32,
            "tokens": tfds.features.Sequence(tfds.features.Text()),
            "tags": tfds.features.Sequence(tfds.features.ClassLabel(names=["N", "V"])),
            "answers": tfds.features.Sequence(
                {"text": tfds.features.Text(), "answer_start": tf.int32}
            ),
        }
    )
    answers = {"text": ["Öl", "Wein"], "answer_start": [0, 7]}
    record = {"sentence": "Öl und Wein", "mood": "glad", "score": 0.1, "answers": answers}
    record |= {"tokens": ["Öl", "fließt"], "tags": ["N", "V"]}
    broken = record | {"sentence": b"\xff"}
    data_dir = tmp_path_factory.mktemp("tfds")
    folder = data_dir / "tiny_tasks" / "1.0.0"
    folder.mkdir(parents=True)
    template = tfds.core.ShardedFileTemplate(
        folder, dataset_name="tiny_tasks", split="train", filetype_suffix="tfrecord"
    )
    with tf.io.TFRecordWriter(str(folder / "tiny_tasks-train.tfrecord-00000-of-00001")) as writer:
        for one in (record, broken):
            writer.write(features.serialize_example(features.encode_example(one)))
    split = tfds.core.SplitInfo(
        name="train", shard_lengths=[2], num_bytes=500, filename_template=template
    )
    tfds.folder_dataset.write_metadata(data_dir=folder, features=features, split_infos=[split])
    tfds.core.add_data_dir(data_dir)
    return "tfds:tiny_tasks:train"


def description(kind: str, location: str, columns: str) -> dict[str, str]:
    files = f'[files]\ntrain = "{location}"\ndev = "{location}"\n'
    return {"task.toml": f"{kind}\n{files}[columns]\n{columns}"}


def test_classes_are_names(tmp_path, dataset):
    kind = 'kind = "classification"\nlabels = ["glad", "sad"]'
    columns = 'text = "sentence"\nlabel = "mood"'
    task = task_with(tmp_path, "moods", description(kind, dataset, columns))
    assert texts_of(task, "train", skip_bad_rows=True) == [("Öl und Wein", None, 0)]
    assert "tfds:tiny_tasks:train, record 1: a text is not UTF-8" in refusal(task.read, "train")


def test_numbers(tmp_path, dataset):
    """Not 0.10000000149011612, which is how Python writes what float32 makes of 0.1."""
    columns = 'text = "sentence"\nlabel = "score"'
    kind = 'kind = "regression"\nlabel_range = [0, 0.1]'
    task = task_with(tmp_path, "scores", description(kind, dataset, columns))
    assert texts_of(task, "train", skip_bad_rows=True) == [("Öl und Wein", None, 0.1)]


def test_sequences(tmp_path, dataset):
    columns = 'words = "tokens"\ntags = "tags"'
    kind = 'kind = "tagging"\ntag_scheme = "words"'
    task = task_with(tmp_path, "parts", description(kind, dataset, columns))
    examples = task.read("train").examples
    assert [(e.words, e.tags) for e in examples] == [(("Öl", "fließt"), ("N", "V"))] * 2


def test_answers(tmp_path, dataset):
    columns = 'question = "sentence"\ncontext = "sentence"\n'
    columns += 'answer = "answers.text"\nanswer_start = "answers.answer_start"'
    task = task_with(tmp_path, "spans", description('kind = "span"', dataset, columns))
    (example,) = task.read("train", skip_bad_rows=True).examples
    assert (example.answers, example.spans) == (("Öl", "Wein"), (Span(0, 2), Span(7, 11)))


@pytest.mark.parametrize("column", ["mod", "answers", "answers.txt", "sentence.text"])
def test_missing_features(dataset, column):
    rows = read_tfds(dataset, {"label": column}, BadRows())
    assert f"no feature {column!r} (label); it has " in refusal(list, rows)


def test_missing_splits_and_datasets(dataset):
    rows = read_tfds("tfds:tiny_tasks:dev", {"text": "sentence"}, BadRows())
    assert "no split 'dev'; it has ['train']" in refusal(list, rows)
    rows = read_tfds("tfds:no_such_set", {"text": "sentence"}, BadRows())
    assert "tfds:no_such_set" in refusal(list, rows)
