"""Tasks of a user's own, described by a `task.toml`, and finding tasks by name."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from task_files import json_lines, refusal, task_with, texts_of, tsv

from lvbert_tf import hparams
from lvbert_tf.finetuning.task_examples import Span
from lvbert_tf.finetuning.tasks.registry import built_in_tasks, find_task
from lvbert_tf.finetuning.tasks.task_file import Columns, Files, TaskFile
from lvbert_tf.finetuning.tasks.text_examples import LabelRange

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "tasks.md"

FILES = '[files]\ntrain = "train.{0}"\ndev = "dev.{0}"\n'
CLASSES = 'kind = "classification"\nlabels = ["bad", "good"]\n'
TEXT = '[columns]\ntext = "review"\nlabel = "stars"\n'
SPAN_COLUMNS = (
    '[columns]\nquestion = "q"\ncontext = "c"\nanswer = "a.text"\nanswer_start = "a.start"\n'
)


def toml(keys: str, columns: str = "", suffix: str = "tsv", test: bool = False) -> str:
    files = FILES.format(suffix) + f'test = "test.{suffix}"\n' * test
    return f"{keys}\n{files}{columns}"


# --- Kinds and formats


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        ("tsv", tsv("stars|id|review", 'good|1|"x, y', "bad|2|z")),
        ("csv", 'stars,id,review\ngood,1,"""x, y"\nbad,2,z\n'),
        (
            "jsonl",
            json_lines({"stars": "good", "review": '"x, y'}, {"stars": "bad", "review": "z"}),
        ),
    ],
)
def test_classification(tmp_path, suffix, content):
    described = toml(CLASSES, TEXT, suffix)
    task = task_with(tmp_path, "reviews", {f"train.{suffix}": content, "task.toml": described})
    assert texts_of(task, "train") == [('"x, y', None, 1), ("z", None, 0)]
    # As a Windows editor saves it.
    files = {
        name: text.replace("\n", "\r\n").encode("utf-8-sig")
        for name, text in ((f"train.{suffix}", content), ("task.toml", described))
    }
    assert texts_of(task_with(tmp_path, "reviews", files), "train") == texts_of(task, "train")
    assert (task.name, task.kind, task.classes.names) == (
        *("reviews", "classification"),
        ("bad", "good"),
    )
    assert task.metrics == ("accuracy", "f1", "macro_f1", "mcc")
    assert (task.num_train_epochs, task.max_seq_length, task.unordered) == (3, 128, False)
    assert set(task.splits) == {"train", "dev"}


def test_numbers_as_columns_and_labels(tmp_path):
    keys = 'kind = "classification"\nlabels = [1, 0, 2]\nheader = false\nmetric = "macro_f1"\n'
    columns = "[columns]\ntext = 1\ntext_pair = -1\nlabel = 0\n"
    files = {"train.tsv": tsv("0|a|x|b", "2|c|x|d"), "task.toml": toml(keys, columns)}
    task = task_with(tmp_path, "pairs", files)
    assert texts_of(task, "train") == [("a", "b", 1), ("c", "d", 2)]
    assert task.metrics == ("macro_f1", "accuracy", "mcc")


def test_json_labels_may_be_numbers_and_booleans(tmp_path):
    keys = 'kind = "classification"\nlabels = ["false", "true", "1"]\n'
    rows = [{"review": "a", "stars": True}, {"review": "b", "stars": 1}]
    files = {"train.jsonl": json_lines(*rows), "task.toml": toml(keys, TEXT, "jsonl")}
    assert texts_of(task_with(tmp_path, "flags", files), "train") == [
        ("a", None, 1),
        ("b", None, 2),
    ]


def test_regression(tmp_path):
    keys = 'kind = "regression"\nlabel_range = [-4, 4.0]\nunordered = true\nmetric = "mse"\n'
    keys += "num_train_epochs = 10\nmax_seq_length = 64\n"
    columns = '[columns]\ntext = "a"\ntext_pair = "b"\nlabel = "score"\n'
    files = {"train.csv": "score,a,b\n-4,x,y\n1.5,z,w\n", "task.toml": toml(keys, columns, "csv")}
    task = task_with(tmp_path, "likeness", files)
    assert texts_of(task, "train") == [("x", "y", -4.0), ("z", "w", 1.5)]
    assert task.label_range == LabelRange(-4.0, 4.0)
    assert task.metrics == ("mse", "pearson", "spearman")
    assert (task.unordered, task.num_train_epochs, task.max_seq_length) == (True, 10, 64)


def test_fields_over_lines_and_compressed_files(tmp_path):
    content = 'stars,review\ngood,"a\nb"\nbad,c\n'
    described = toml("multiline = true\n" + CLASSES, TEXT, "csv.gz")
    files = {"train.csv.gz": content, "dev.csv.gz": content, "task.toml": described}
    task = task_with(tmp_path, "reviews", files)
    assert texts_of(task, "train") == [("a\nb", None, 1), ("c", None, 0)]
    task = task_with(tmp_path, "reviews", {"task.toml": toml(CLASSES, TEXT, "csv")})
    assert "line 2: a quotation mark is not closed in its line" in refusal(task.read, "train")


def test_test_files_may_lack_labels(tmp_path):
    files = {
        "task.toml": toml(CLASSES, TEXT, test=True),
        "dev.tsv": tsv("review", "a"),
        "test.tsv": tsv("review", "a"),
    }
    task = task_with(tmp_path, "reviews", files)
    assert texts_of(task, "test") == [("a", None, None)]
    assert "dev.tsv: no column 'stars' (label); it has 'review'" in refusal(task.read, "dev")


@pytest.mark.parametrize("keys", [CLASSES, 'kind = "regression"\nlabel_range = [0, 5]\n'])
@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl"])
@pytest.mark.parametrize("label", ["-1", "", "?", None, -1, 7.5])
def test_labels_of_a_test_are_not_read(tmp_path, keys, suffix, label):
    content = json_lines({"review": "a", "stars": label})
    if suffix != "jsonl":
        content = f"review,stars\na,{label}\n".replace(",", "," if suffix == "csv" else "\t")
    files = {f"{split}.{suffix}": content for split in ("train", "dev", "test")}
    described = {"task.toml": toml(keys, TEXT, suffix, test=True)}
    task = task_with(tmp_path, "reviews", files | described)
    assert texts_of(task, "test") == [("a", None, None)]
    assert "; skip_bad_rows leaves such rows out" in refusal(task.read, "dev")
    assert "all 1 rows are bad" in refusal(task.read, "dev", skip_bad_rows=True)


@pytest.mark.parametrize("suffix", ["txt", "conll", "tsv"])
def test_tagging_in_columns(tmp_path, suffix):
    keys = 'kind = "tagging"\ncomment = "# "\nlabels = ["PER"]\n'
    columns = "[columns]\nwords = 1\ntags = 2\n"
    content = "# id 1\n1\tAda\tB-PER\tx\n2\tL\tI-PER\tx\n\n3\t#\tO\tx\n"
    files = {f"train.{suffix}": content, "task.toml": toml(keys, columns, suffix)}
    task = task_with(tmp_path, "names", files)
    assert [(e.words, e.tags) for e in task.read("train").examples] == [
        (("Ada", "L"), ("B-PER", "I-PER")),
        (("#",), ("O",)),
    ]
    assert tuple(task.tag_scheme.outputs([])) == ("O", "B-PER", "I-PER", "E-PER", "S-PER")
    assert (task.metrics[0], task.max_seq_length) == ("f1", 256)
    bad = content.replace("I-PER", "I-LOC")
    task = task_with(tmp_path, "names", files | {f"train.{suffix}": bad})
    assert "line 2: tag 'I-LOC' has none of the types PER" in refusal(task.read, "train")


def test_tagging_in_json_lines(tmp_path):
    keys = 'kind = "tagging"\ntag_scheme = "words"\nlabels = ["N", "V"]\n'
    columns = '[columns]\nwords = "tokens"\ntags = "pos"\n'
    rows = [{"tokens": ["a b", "c"], "pos": ["N", "V"]}]
    files = {"train.jsonl": json_lines(*rows), "task.toml": toml(keys, columns, "jsonl")}
    (example,) = task_with(tmp_path, "parts", files).read("train").examples
    assert (example.words, example.tags) == (("a b", "c"), ("N", "V"))
    for row, message in [
        ({"tokens": ["a"], "pos": ["N", "V"]}, "line 1: 1 words but 2 tags"),
        ({"tokens": ["a"], "pos": ["X"]}, "line 1: tag 'X' is none of N | V"),
        ({"tokens": [], "pos": []}, "line 1: words is empty"),
        ({"tokens": "a", "pos": ["N"]}, "line 1: words is no list: 'a'"),
        ({"tokens": ["a"], "pos": "N"}, "line 1: tags is no list: 'N'"),
        ({"tokens": [1], "pos": ["N"]}, "line 1: an item of words is no text: 1"),
        ({"tokens": ["a"], "pos": [2]}, "line 1: tag 2 is no place in labels, 0 to 1"),
    ]:
        task = task_with(tmp_path, "parts", files | {"train.jsonl": json_lines(row)})
        assert message in refusal(task.read, "train")


# Of the handbook of Universal Dependencies: a range, an empty node, comments, spaces in a word.
CONLLU = """# newdoc
# sent_id = 1
# text = Vámonos al mar 10 000
1-2|Vámonos|_|_|_|_|_|_|_|_
1|Vamos|ir|VERB|V|_|0|root|_|_
2|nos|nosotros|PRON|P|_|1|obj|_|_
3-4|al|_|_|_|_|_|_|_|_
3|a|a|ADP|S|_|5|case|_|_
4|el|el|DET|D|_|5|det|_|_
5|mar|mar|NOUN|N|_|1|obl|_|_
5.1|fue|ir|VERB|V|_|_|_|_|_
6|10 000|10 000|NUM|Z|_|5|nummod|_|_

# sent_id = 2
1|_|_|PUNCT|F|_|0|root|_|_
2|#|#|SYM|F|_|1|dep|_|_
"""


def conllu_task(tmp_path, train=CONLLU, columns="", comment=""):
    keys = f'kind = "tagging"\ntag_scheme = "words"\n{comment}'
    files = {"task.toml": toml(keys, columns, "conllu", test=True)}
    files |= {f"{split}.conllu": train.replace("|", "\t") for split in ("train", "test")}
    return task_with(tmp_path, "parts", files)


@pytest.mark.parametrize(
    ("columns", "comment", "words", "tags"),
    [
        ("", "", "Vamos|nos|a|el|mar|10 000", "VERB PRON ADP DET NOUN NUM"),
        ("[columns]\ntags = 4\n", 'comment = "//"', "Vamos|nos|a|el|mar|10 000", "V P S D N Z"),
        ("[columns]\nwords = 2\n", "", "ir|nosotros|a|el|mar|10 000", "VERB PRON ADP DET NOUN NUM"),
    ],
)
def test_conllu(tmp_path, columns, comment, words, tags):
    task = conllu_task(tmp_path, columns=columns, comment=comment)
    first, second = task.read("train").examples
    assert (first.words, first.tags) == (tuple(words.split("|")), tuple(tags.split()))
    assert second.words == ("_", "#")
    assert str(first.location).endswith("line 4")
    assert [example.words for example in task.read("test").examples] == [first.words, second.words]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ir|VERB", "ir|_", "line 4: line 5 has no tag: '_'"),
        ("ir|VERB", "ir|", "line 4: line 5 has an empty tag: "),
        ("|Vamos|", "||", "line 4: line 5 has an empty word: "),
        ("1|Vamos|ir", "1 Vamos ir", "line 4: line 5 has 8 columns where line 4 has 10; tabs"),
        (CONLLU, "1 a\n", "line 1: line 1 has no tag: '1 a'; tabs separate columns"),
    ],
)
def test_bad_conllu(tmp_path, old, new, message):
    task = conllu_task(tmp_path, CONLLU.replace(old, new, 1))
    assert message in refusal(task.read, "train")


def test_columns_may_vary_between_sentences(tmp_path):
    """As in CoNLL-2012, where a predicate is a column; but not where they are counted backwards."""
    content = "bc 0 a N *\nbc 1 b V *\n\nbc 0 c N * (A*\n"
    keys = 'kind = "tagging"\ntag_scheme = "words"\n'
    for tag, expected in [(3, [("N", "V"), ("N",)]), (-1, None)]:
        columns = f"[columns]\nwords = 2\ntags = {tag}\n"
        files = {"task.toml": toml(keys, columns, "conll"), "train.conll": content}
        task = task_with(tmp_path, "predicates", files)
        if expected:
            assert [example.tags for example in task.read("train").examples] == expected
        else:
            assert "line 4 has 6 columns where line 1 has 5" in refusal(task.read, "train")
    files["train.conll"] = content.replace("1 b V *", "1 b V")
    files["task.toml"] = files["task.toml"].replace("tags = -1", "tags = 3")
    task = task_with(tmp_path, "predicates", files)
    assert "line 2 has 4 columns where line 1 has 5" in refusal(task.read, "train")


def test_a_tsv_file_has_tabs(tmp_path):
    """Whatever its first line has."""
    keys = 'kind = "tagging"\ntag_scheme = "words"\n'
    files = {
        "task.toml": toml(keys, test=True),
        "train.tsv": "New York\n",
        "test.tsv": "New York\n",
    }
    task = task_with(tmp_path, "places", files)
    assert "line 1 has no tag: 'New York'; tabs separate columns" in refusal(task.read, "train")
    assert task.read("test").examples[0].words == ("New York",)


@pytest.mark.parametrize("suffix", ["conll", "jsonl", "tsv"])
@pytest.mark.parametrize("tags", [[-1, -1], None, ["", " "], ["_", "?"], ["B-X"], "O O", [None, 1]])
def test_tags_of_a_test_file_are_not_read(tmp_path, suffix, tags):
    row = {"tokens": ["a", "b"], "ner": tags}
    cells = tags if isinstance(tags, list) and len(tags) == 2 else ["-1", "None"]
    lines = "".join(f"{word}\t{tag}\n" for word, tag in zip("ab", cells, strict=True))
    columns = '[columns]\nwords = "tokens"\ntags = "ner"\n' if suffix == "jsonl" else ""
    files = {
        "task.toml": toml('kind = "tagging"\nlabels = ["PER"]\n', columns, suffix, test=True),
        f"test.{suffix}": json_lines(row) if suffix == "jsonl" else lines,
    }
    (example,) = task_with(tmp_path, "names", files).read("test").examples
    assert (example.words, example.tags) == (("a", "b"), None)


def test_spans_in_json_lines(tmp_path):
    row = {"q": "Who?", "c": "Ada did. Bob too.", "a": {"text": ["Ada", "Bob"], "start": [0, 9]}}
    none = {"q": "Why?", "c": "Ada did.", "a": {"text": [], "start": []}}
    keys = 'kind = "span"\nunanswerable = true\n'
    files = {"train.jsonl": json_lines(row, none), "task.toml": toml(keys, SPAN_COLUMNS, "jsonl")}
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
    'kind = "span"\nunanswerable = true\n', SPAN_COLUMNS + 'impossible = "none"\n', "{0}"
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
    columns = SPAN_COLUMNS + 'id = "n"\n'
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


# --- What a task.toml may not say


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind = ", "task.toml is not TOML: "),
        ("kind = " + "[" * 100_000, "task.toml is not TOML: maximum recursion depth"),
        (b"kind = '\xff'", "task.toml is not UTF-8 text: bad byte at offset 8"),
        (toml(""), "task.toml: hparam 'kind' is missing"),
        ('kind = "regression"', "task.toml: hparam 'files' is missing"),
        ('kind = "regression"\n[files]\ntrain = "a"', "task.toml: files: hparam 'dev' is missing"),
        (toml('kind = "ranking"'), "'ranking' is not allowed; use classification | regression |"),
        (toml(CLASSES + "label = 1"), "unknown hparam 'label'; the nearest known one is 'labels'"),
        (toml(CLASSES, '[columns]\ntxt = "a"'), "columns: unknown hparam 'txt'; the nearest known"),
        (toml(CLASSES, "[columns]\ntext = 1.5"), "text: expected a column's name or its number"),
        (toml(CLASSES, "[columns]\ntext = 1"), "columns.label is missing: which column of "),
        (toml(CLASSES, TEXT + "words = 1"), "columns.words is not for classification; use text |"),
        (
            toml(CLASSES, TEXT, "xlsx"),
            "train.xlsx: a classification task reads .tsv, .csv, .jsonl and",
        ),
        (
            toml('kind = "tagging"', "", "csv"),
            "train.csv: a tagging task reads .txt, .conll, .conllu,",
        ),
        (toml('kind = "tagging"', '[columns]\nwords = "w"'), "train.tsv must be numbers"),
        (toml('kind = "classification"', TEXT), "labels is missing: the classes, in"),
        (toml('kind = "classification"\nlabels = ["a"]', TEXT), "labels: expected two or more"),
        (toml('kind = "classification"\nlabels = ["a", "a"]', TEXT), "labels: expected a list of"),
        (toml('kind = "classification"\nlabels = "ab"', TEXT), "labels: expected a list of"),
        (toml('kind = "regression"', TEXT), "label_range is missing: [least, greatest] label"),
        (
            toml('kind = "regression"\nlabel_range = [5, 0]', TEXT),
            "label_range: expected two rising",
        ),
        (
            toml('kind = "regression"\nlabel_range = [0, inf]', TEXT),
            "label_range: expected two rising",
        ),
        (
            toml('kind = "regression"\nlabel_range = 5', TEXT),
            "label_range: expected [least, greatest]",
        ),
        (
            toml('kind = "span"\nlabels = ["a", "b"]'),
            "labels is for classification and tagging, not",
        ),
        (toml(CLASSES + "unanswerable = true", TEXT), "unanswerable is for span, not for"),
        (toml(CLASSES + 'answer_rule = "cmrc"', TEXT), "answer_rule is for span, not for"),
        (toml(CLASSES + 'tag_scheme = "words"', TEXT), "tag_scheme is for tagging, not for"),
        (
            toml('kind = "span"\nanswer_rule = "drcd"'),
            "answer_rule: 'drcd' is not allowed; use squad |",
        ),
        (toml(CLASSES + "unordered = true", TEXT), "unordered needs columns.text_pair"),
        (
            toml(CLASSES + 'metric = "pearson"', TEXT),
            "metric 'pearson' is not one of accuracy | f1 |",
        ),
        (
            toml(CLASSES + "max_seq_length = 513", TEXT),
            "max_seq_length: 513 is not allowed; use >= 8",
        ),
        (toml(CLASSES + "num_train_epochs = 0", TEXT), "num_train_epochs: 0.0 is not allowed"),
        (toml("Label_Range = [0, 1]\n" + CLASSES, TEXT), "the nearest known one is 'label_range'"),
        (toml(CLASSES, TEXT.upper()), "the nearest known one is 'columns'"),
        (toml(CLASSES, '[columns]\nTEXT_PAIR = "b"\n'), "the nearest known one is 'text_pair'"),
        (toml("multiline = true\n" + CLASSES, TEXT), "multiline is for CSV files, of which there"),
    ],
)
def test_bad_descriptions_are_refused(tmp_path, text, message):
    refused = refusal(task_with, tmp_path, "mine", {"task.toml": text})
    assert message in refused
    assert "mine/task.toml" in refused


# --- Names


def test_all_tasks_of_the_reference_are_built_in(tmp_path):
    assert set(built_in_tasks()) == {
        *("cola", "mrpc", "mnli", "sst", "qqp", "rte", "qnli", "sts", "wnli"),
        *("squad", "squadv1", "newsqa", "naturalqs", "triviaqa", "searchqa"),
        *("chunk", "ner", "pos"),
    }
    for name in built_in_tasks():
        task = find_task(name, tmp_path)
        assert task.name == name
        folder = tmp_path / "finetuning_data" / name
        assert all(Path(split.location).parent == folder for split in task.splits.values())


@pytest.mark.slow
def test_tasks_are_read_without_tensorflow():
    """Its start would be most of the time of reading a task."""
    script = (
        "import sys; from lvbert_tf.finetuning.tasks.registry import find_task; find_task('sst', '.');"
        " sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=DOCUMENTATION.parents[1])


def test_unknown_names(tmp_path):
    task_with(tmp_path, "sentences", {"task.toml": toml(CLASSES, TEXT)})
    names = {
        **{"colla": "cola", "sentence": "sentences", "squad2": "squad", "Sentences": "sentences"},
        # As GLUE, SQuAD, MRQA and CoNLL spell them.
        **{"CoLA": "cola", "SST-2": "sst", "sst2": "sst", "MRPC": "mrpc", "STS-B": "sts"},
        **{"stsb": "sts", "QQP": "qqp", "MNLI": "mnli", "MNLI-m": "mnli", "QNLI": "qnli"},
        **{"RTE": "rte", "WNLI": "wnli", "SQuAD": "squad", "SQuAD1.1": "squadv1"},
        **{"NewsQA": "newsqa", "NaturalQuestions": "naturalqs", "TriviaQA-web": "triviaqa"},
        **{"SearchQA": "searchqa", "NER": "ner", "POS": "pos", "Chunking": "chunk"},
    }
    for name, nearest in names.items():
        message = refusal(find_task, name, tmp_path)
        assert f"unknown task {name!r}" in message and message.endswith(f"one is {nearest!r}")
    for name in ("", "../cola", "a/b", ".hidden", "a\nb", "ü"):
        assert "use letters, digits" in refusal(find_task, name, tmp_path)


def test_a_built_in_task_cannot_be_replaced(tmp_path):
    message = refusal(task_with, tmp_path, "cola", {"task.toml": toml(CLASSES, TEXT)})
    assert message.endswith("cola is a built-in task; rename the folder")


# --- The documentation


def test_the_documented_task(tmp_path):
    """The worked example's files are read as the page says."""
    page = DOCUMENTATION.read_text()
    blocks = re.findall(r"`finetuning_data/reviews/([\w.]+)`:\n\n```\w*\n(.*?)```", page, re.S)
    files = dict(blocks)
    assert set(files) == {"task.toml", "train.csv", "dev.jsonl"}
    task = task_with(tmp_path, "reviews", files)
    said = re.search(r"prints\n\n((?:    .*\n)+)", page).group(1)
    told = [f"    {e.text!r} {e.label}" for s in task.splits for e in task.read(s).examples]
    assert said.splitlines() == told


def test_every_key_and_task_is_documented():
    page = DOCUMENTATION.read_text()
    for settings in (TaskFile, Files, Columns):
        for name in hparams.hparam_fields(settings):
            assert f"| `{name}` |" in page or f"`{name}`" in page, name
    for name in built_in_tasks():
        assert re.search(rf"\b{name}\b", page), name
