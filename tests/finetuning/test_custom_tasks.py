"""Tasks of a user's own: texts and labels, the keys of a `task.toml`, finding tasks by name."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from task_files import json_lines, refusal, task_with, texts_of, toml, tsv

from lvbert_tf import hparams
from lvbert_tf.finetuning.tasks.registry import built_in_tasks, find_task
from lvbert_tf.finetuning.tasks.task_file import Columns, Files, TaskFile
from lvbert_tf.finetuning.tasks.text_examples import LabelRange

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "tasks.md"

CLASSES = 'kind = "classification"\nlabels = ["bad", "good"]\n'
TEXT = '[columns]\ntext = "review"\nlabel = "stars"\n'


# --- Texts and their labels


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
