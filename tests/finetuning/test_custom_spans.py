"""Question answering of a user's own: in tables, in JSON lines, and in SQuAD's and MRQA's formats."""

import json

import pytest
from task_files import json_lines, refusal, task_with, toml

from lvbert_tf.finetuning.task_examples import Span

COLUMNS = '[columns]\nquestion = "q"\ncontext = "c"\nanswer = "a.text"\nanswer_start = "a.start"\n'


def test_spans_in_json_lines(tmp_path):
    row = {"q": "Who?", "c": "Ada did. Bob too.", "a": {"text": ["Ada", "Bob"], "start": [0, 9]}}
    none = {"q": "Why?", "c": "Ada did.", "a": {"text": [], "start": []}}
    keys = 'kind = "span"\nunanswerable = true\n'
    files = {"train.jsonl": json_lines(row, none), "task.toml": toml(keys, COLUMNS, "jsonl")}
    task = task_with(tmp_path, "who", files)
    first, second = task.read("train").examples
    assert (first.id, first.answers, first.spans) == (
        "1",
        ("Ada", "Bob"),
        (Span(0, 3), Span(9, 12)),
    )
    assert (second.id, second.impossible, second.spans) == ("2", True, ())
    assert (task.metrics, task.unanswerable, task.max_seq_length) == (("exact", "f1"), True, 512)


def test_spans_in_tables(tmp_path):
    columns = (
        '[columns]\nid = "n"\nquestion = "q"\ncontext = "c"\nanswer = "a"\nanswer_start = "s"\n'
    )
    good = "7,Who?,Ada did.,did,4"
    files = {
        "task.toml": toml('kind = "span"\nmetric = "f1"\n', columns, "csv", test=True),
        "train.csv": f"n,q,c,a,s\n{good}\n",
        "test.csv": "n,q,c\n7,Who?,Ada did.\n",
    }
    task = task_with(tmp_path, "who", files)
    (example,) = task.read("train").examples
    assert (example.id, example.answers, example.spans) == ("7", ("did",), (Span(4, 7),))
    assert task.metrics == ("f1", "exact_match")
    assert task.read("test").examples[0].answers == ()
    for row, message in [
        ("8,Who?,Ada did.,did,3", "line 3: the answer 'did' is not at 3, where ' di' stands"),
        ("8,Who?,Ada did.,did,", "line 3: answer_start must be integer: ''"),
        ("8,Who?,Ada did.,did,-4", "line 3: answer_start must be integer: '-4'"),
        ("8,Who?,Ada did.,,", "line 3: no answer"),
        (good, "line 3: id '7' is there twice"),
    ]:
        content = f"n,q,c,a,s\n{good}\n{row}\n"
        task = task_with(tmp_path, "who", files | {"train.csv": content})
        assert message in refusal(task.read, "train")


SPANS_OR_NONE = toml(
    'kind = "span"\nunanswerable = true\n', COLUMNS + 'impossible = "none"\n', "{0}"
)


@pytest.mark.parametrize(
    ("answer", "none", "impossible"),
    [
        *[("did", said, False) for said in ("", "false", "False", "0", " ")],
        *[(answer, said, True) for answer in ("", "  ") for said in ("", "true", "TRUE", "1")],
    ],
)
def test_spans_or_none_in_tables(tmp_path, answer, none, impossible):
    csv = f"q,c,a.text,a.start,none\nWho?,Ada did.,{answer},4,{none}\n"
    row = {"q": "Who?", "c": "Ada did.", "none": none, "a": {"text": answer, "start": 4}}
    for suffix, content in [
        ("csv", csv),
        ("tsv", csv.replace(",", "\t")),
        ("jsonl", json_lines(row)),
    ]:
        files = {"task.toml": SPANS_OR_NONE.format(suffix), f"train.{suffix}": content}
        (example,) = task_with(tmp_path, f"none-{suffix}", files).read("train").examples
        assert (example.impossible, bool(example.spans)) == (impossible, not impossible)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"a": {"text": "did", "start": 4}, "none": True}, "is_impossible, yet it has answers"),
        ({"a": {"text": "", "start": 4}, "none": 0}, "no answer, yet is_impossible is false"),
        ({"a": {"text": None}, "none": 0}, "no column 'a.start' (answer_start); it has 'q', 'c'"),
        ({"a": {"start": 4}, "none": None}, "no column 'a.text' (answer); it has 'q', 'c', 'a',"),
        ({"a": {"text": "did", "start": 4}, "none": "no"}, "is_impossible must be true or false,"),
        ({"a": {"text": ["did", ""], "start": [4, 0]}, "none": None}, "the answer '' is not at 0"),
        ({"a": {"text": [], "start": []}, "none": None, "id": None}, "id must be text or an int"),
        (
            {"a": {"text": "did", "start": "9" * 5000}, "none": 0},
            "answer_start must be integer: '99",
        ),
    ],
)
def test_rows_that_contradict_themselves(tmp_path, row, message):
    content = json_lines({"q": "Who?", "c": "Ada did.", **row})
    description = SPANS_OR_NONE.format("jsonl") + 'id = "id"\n' * ("id" in row)
    files = {"task.toml": description, "train.jsonl": content}
    assert message in refusal(task_with(tmp_path, "none", files).read, "train")


@pytest.mark.parametrize("unanswerable", ["", "unanswerable = true\n"])
@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"answers": None, "detected_answers": None},
        {"answers": -1, "detected_answers": "?", "is_impossible": "?"},
        {"answers": [], "detected_answers": [], "is_impossible": None},
        {"answers": [{"text": "?", "answer_start": -1}], "is_impossible": True},
        {"answers": ["_"], "detected_answers": [{"text": "_", "char_spans": [[-1, -1]]}]},
    ],
)
def test_answers_of_a_test_file_are_not_read(tmp_path, labels, unanswerable):
    """In SQuAD's format, in MRQA's, and in rows."""
    squad = {"id": "q", "question": "?", **labels}
    mrqa = {"qid": "q", "question": "?", **labels}
    row = {"c": "a b", "q": "?", "a": labels.get("answers")}
    paragraphs = [{"context": "a b", "qas": [squad]}]
    settings = f'kind = "span"\n{unanswerable}'
    columns = COLUMNS + 'id = "n"\n'
    for name, suffix, table, content in [
        ("squad-like", "json", "", json.dumps({"data": [{"paragraphs": paragraphs}]})),
        ("mrqa-like", "jsonl", "", json_lines({"context": "a b", "qas": [mrqa]})),
        ("rows", "jsonl", columns, json_lines({"n": "q", **row})),
        ("table", "csv", columns, "n,q,c,a.text,a.start\nq,?,a b,-1,?\n"),
    ]:
        files = {"task.toml": toml(settings, table, suffix, test=True), f"test.{suffix}": content}
        (example,) = task_with(tmp_path, name, files).read("test").examples
        assert (example.id, example.context) == ("q", "a b")
        assert (example.answers, example.spans, example.impossible) == ((), (), False)


def test_spans_in_the_formats_of_the_built_in_tasks(tmp_path):
    squad = {"id": "q", "question": "?", "answers": [{"text": "b", "answer_start": 2}]}
    document = {"data": [{"paragraphs": [{"context": "a b", "qas": [squad]}]}]}
    files = {"train.json": json.dumps(document), "task.toml": toml('kind = "span"', "", "json")}
    assert task_with(tmp_path, "s", files).read("train").examples[0].spans == (Span(2, 3),)
    found = [{"text": "b", "char_spans": [[2, 2]]}]
    mrqa = {"qid": "q", "question": "?", "answers": ["b"], "detected_answers": found}
    content = json_lines({"context": "a b", "qas": [mrqa]})
    files = {"train.jsonl": content, "task.toml": toml('kind = "span"', "", "jsonl")}
    assert task_with(tmp_path, "m", files).read("train").examples[0].spans == (Span(2, 3),)
