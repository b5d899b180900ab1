"""Predicting for lines: files, pipes, pairs, one task of several, and what is refused."""

import bz2
import gzip
import io
import json
import lzma
import os
import sys
from types import SimpleNamespace

import pytest
import zstandard
from task_files import json_lines, refusal
from tiny_tuning import NAME, make_data, settings

from lvbert_tf.finetuning.predict_lines import predict_lines
from lvbert_tf.finetuning.run import finetune

TASKS = ("sst", "sts")
COMPRESS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    directory = make_data(tmp_path_factory.mktemp("lines") / "data")
    assert finetune(str(directory), NAME, settings(*TASKS)) == 0
    return directory


def predict(data, source, target="-", task="sst", tasks=TASKS, trial=1, **options):
    hparams = settings(*tasks)
    return predict_lines(str(data), NAME, hparams, str(source), str(target), trial, task, **options)


def labels(text):
    return [json.loads(line)["label"] for line in text.splitlines()]


def test_a_line_in_an_object_out(data, tmp_path):
    source, target = tmp_path / "in.txt", tmp_path / "out.jsonl"
    lines = [
        "\ufeffthe film was great",
        '\ufeff {"text": "a dull plot", "id": 5}',
        "",
        "it is lovely\r",
    ]
    source.write_text("\n".join([*lines, "b\xe9b\xe9"]), encoding="utf-8")
    assert predict(data, source, target) == 0
    found = [json.loads(line) for line in target.read_text().splitlines()]
    assert [prediction["label"] for prediction in found[:2]] == ["1", "0"]
    assert found[3]["label"] == "1" and len(found) == 5
    assert all(set(prediction["probabilities"]) == {"0", "1"} for prediction in found)
    assert [prediction.get("id") for prediction in found] == [None, 5, None, None, None]
    assert "out.jsonl exists" in refusal(predict, data, source, target)
    assert len(target.read_text().splitlines()) == 5


def test_standard_input_and_output_of_more_lines_than_are_read_at_once(data, monkeypatch, capsys):
    text = b"the film was great\na dull plot\n" * 700
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    assert predict(data, "-") == 0
    assert labels(capsys.readouterr().out) == ["1", "0"] * 700


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file_whatever_its_name(data, tmp_path, capsys, suffix):
    for name in (f"in.txt.{suffix}", "in"):
        (tmp_path / name).write_bytes(
            COMPRESS[suffix](b"\xef\xbb\xbfthe film was great\na dull plot")
        )
        assert predict(data, tmp_path / name) == 0
        assert labels(capsys.readouterr().out) == ["1", "0"]


def test_a_pipe(data, capsys):
    reading, writing = os.pipe()
    os.write(writing, b"the film was great\na dull plot\n")
    os.close(writing)
    assert predict(data, f"/dev/fd/{reading}") == 0
    os.close(reading)
    assert labels(capsys.readouterr().out) == ["1", "0"]


def test_a_bad_line_of_a_pipe_comes_after_the_answers_before_it(data, capsys):
    reading, writing = os.pipe()
    os.write(writing, b"the film was great\na dull plot\nfi\xffne\na fine film\n")
    os.close(writing)
    source = f"/dev/fd/{reading}"
    assert f"{source}, line 3: text is not valid UTF-8" in refusal(predict, data, source)
    os.close(reading)
    assert labels(capsys.readouterr().out) == ["1", "0"]


def test_output_is_utf_8_a_line_for_each_whatever_the_terminal_shows(data, tmp_path, monkeypatch):
    names = ["ключ", "a\u2028b\u0085c\u2029d\ne"]
    (tmp_path / "in.jsonl").write_text(json_lines(*({"text": "a", "id": name} for name in names)))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    assert predict(data, tmp_path / "in.jsonl") == 0
    found = written.getvalue().decode()
    assert "ключ" in found
    assert [json.loads(line)["id"] for line in found.splitlines()] == names


def test_each_line_is_a_text_or_a_pair_as_the_model_reads_them(data, tmp_path, capsys):
    one, pair = {"text": "a fine film"}, {"text": "a fine film", "text_pair": "dull"}
    source = tmp_path / "in.jsonl"
    for task, right, wrong in (("sst", one, pair), ("sts", pair, one)):
        source.write_text(json_lines(right))
        assert predict(data, source, task=task) == 0
        alone = capsys.readouterr().out
        source.write_text(json_lines(right, wrong))
        said = refusal(predict, data, source, task=task)
        assert "in.jsonl, line 2: a " in said and "text_pair" in said
        source.write_text(json_lines(*[right] * 1024, wrong))
        assert "in.jsonl, line 1025: a " in refusal(predict, data, source, task=task)
        assert capsys.readouterr().out == ""
        assert alone.count("\n") == 1


def test_a_bad_line_of_a_file_comes_before_any_prediction_and_leaves_nothing(
    data, tmp_path, capsys
):
    source, target = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_bytes(b"fine\n" * 1500 + b"fi\xffne\n")
    assert "in.txt, line 1501: text is not valid UTF-8" in refusal(predict, data, source, target)
    assert list(tmp_path.iterdir()) == [source]
    assert "line 1501" in refusal(predict, data, source)
    assert capsys.readouterr().out == ""


def test_what_cannot_be_predicted_is_one_line(data, tmp_path, monkeypatch):
    source = tmp_path / "in.txt"
    source.write_text("fine\n")
    assert "No such file" in refusal(predict, data, tmp_path / "none")
    assert "Is a directory" in refusal(predict, data, tmp_path)
    assert "No such file" in refusal(predict, data, source, tmp_path / "none" / "out")
    said = refusal(predict, data, source, task=None)
    assert "has learned sst, sts; say with --task for which" in said and "task_names" in said
    assert "--task pos is not one of task_names sst, sts" in refusal(
        predict, data, source, task="pos"
    )
    said = refusal(predict, data, source, tasks=("sst",))
    assert "no model of sst" in said and said.endswith("TASKS_TRIAL that have one: sst,sts_1")
    assert "no model of sst" in refusal(predict, data, source, trial=2)
    said = refusal(predict, data, source, task=None, tasks=("pos",))
    assert "no model of pos" in said and said.endswith("other task_names")
    assert "--predict_format text: a line is to be {" in refusal(
        predict, data, source, task="sts", line_format="text"
    )
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" in refusal(predict, data, "-")
    monkeypatch.setattr(sys, "stdout", None)
    assert "standard output is closed" in refusal(predict, data, source)
