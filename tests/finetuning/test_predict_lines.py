"""Predicting for lines: every form of a line, and what is refused."""

import io
import json
import sys
from types import SimpleNamespace

import pytest
from task_files import refusal
from tiny_tuning import NAME, make_data, settings

from lvbert_tf.finetuning.examples import Source
from lvbert_tf.finetuning.predict_lines import parse_line, predict_lines
from lvbert_tf.finetuning.run import finetune

HERE = Source("-", 3)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    directory = make_data(tmp_path_factory.mktemp("lines") / "data")
    assert finetune(str(directory), NAME, settings("sst")) == 0
    return directory


def predict(data, source, target, **changes):
    return predict_lines(str(data), NAME, settings("sst", **changes), str(source), str(target), 1)


def test_a_line_in_an_object_out(data, tmp_path):
    source, target = tmp_path / "in.txt", tmp_path / "out.jsonl"
    lines = ["the film was great", '{"text": "a dull plot"}', "", "it is lovely\r", "b\xe9b\xe9"]
    source.write_text("\n".join(lines), encoding="utf-8")
    assert predict(data, source, target) == 0
    found = [json.loads(line) for line in target.read_text().splitlines()]
    assert [prediction["label"] for prediction in found[:2]] == ["1", "0"]
    assert found[3]["label"] == "1" and len(found) == 5
    assert all(set(prediction["probabilities"]) == {"0", "1"} for prediction in found)
    message = refusal(predict, data, source, target)
    assert "out.jsonl exists" in message
    assert len(target.read_text().splitlines()) == 5


def test_standard_input_and_output_of_more_lines_than_are_read_at_once(data, monkeypatch, capsys):
    text = b"the film was great\na dull plot\n" * 700
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    assert predict(data, "-", "-") == 0
    found = [json.loads(line)["label"] for line in capsys.readouterr().out.splitlines()]
    assert found == ["1", "0"] * 700


def test_what_cannot_be_predicted_is_one_line(data, tmp_path):
    source = tmp_path / "in.txt"
    source.write_bytes(b"fine\nfi\xffne\n")
    assert "in.txt, line 2: text is not valid UTF-8" in refusal(predict, data, source, "-")
    assert "No such file" in refusal(predict, data, tmp_path / "none", "-")
    hparams = settings("sst", "sts")
    assert "one task" in refusal(predict_lines, str(data), NAME, hparams, "-", "-", 1)
    assert "no model of sst" in refusal(
        predict_lines, str(data), NAME, settings("sst"), "-", "-", 2
    )
    assert "no model of sts" in refusal(
        predict_lines, str(data), NAME, settings("sts"), "-", "-", 1
    )


def test_every_kind_of_line():
    example = parse_line("classification", '{"text": "a", "text_pair": "b"}', HERE)
    assert (example.text, example.text_pair, example.label) == ("a", "b", None)
    assert parse_line("regression", "a {b", HERE).text == "a {b"
    assert parse_line("tagging", "The cat  sat.", HERE).words == ("The", "cat", "sat.")
    assert parse_line("tagging", '{"words": ["New York", "x"]}', HERE).words == ("New York", "x")
    question = parse_line("span", '{"question": "Who?", "context": "Ann."}', HERE)
    assert (question.question, question.context, question.id) == ("Who?", "Ann.", "3")


@pytest.mark.parametrize(
    ("kind", "line", "message"),
    [
        ("classification", "{", "not JSON"),
        ("classification", '{"text": 1}', "text is no text: 1"),
        ("classification", '{"txt": "a"}', "unexpected 'txt'; classification reads text and"),
        ("classification", "{}", "text is missing"),
        ("regression", "a\0b", "text has a NUL byte"),
        ("tagging", '{"words": []}', "words is no list of words"),
        ("tagging", '{"words": ["a", 1]}', "word is no text: 1"),
        ("span", "Who?", "unexpected 'text'; span reads question and context"),
        ("span", '{"question": "Who?"}', "context is missing"),
    ],
)
def test_a_bad_line_is_named(kind, line, message):
    said = refusal(parse_line, kind, line, HERE)
    assert "skip_bad_rows" not in said  # which --predict does not know
    assert message in said and "-, line 3" in said
