"""GLUE's tasks, from rows in the format of the original files."""

import pytest
from task_files import refusal, task_with, texts_of, tsv

from lvbert_tf.finetuning.tasks.glue import GLUE_TASKS
from lvbert_tf.finetuning.tasks.text_examples import LabelRange, double_unordered

_MNLI = (
    "index|promptID|pairID|genre|sentence1_binary_parse|sentence2_binary_parse|sentence1_parse"
    "|sentence2_parse|sentence1|sentence2"
)
_MNLI_CELLS = "31193|31193n|travel|( x )|( y )|(ROOT x)|(ROOT y)"
_QUALITY = "\ufeffQuality|#1 ID|#2 ID|#1 String|#2 String"
_STS = "index|genre|filename|year|old_index|source1|source2|sentence1|sentence2"
_STS_CELLS = "main-captions|MSRvid|2012test|0001|none|none"

# (task, split, lines, examples): no two columns of a row are alike, so a wrong one shows.
FILES = [
    (
        *("cola", "train"),
        ("gj04|1||Fred slept.", "cj99|0|*|The more we, the less."),
        [("Fred slept.", None, 1), ("The more we, the less.", None, 0)],
    ),
    ("cola", "dev", ("gj04|0|*|As you eat.",), [("As you eat.", None, 0)]),
    ("cola", "test", ("index|sentence", "0|Bill whistled."), [("Bill whistled.", None, None)]),
    (
        *("mrpc", "train"),
        (_QUALITY, '1|702876|702977|He said " yes .|" Yes , " he said', "0|1|2|A .|B ."),
        [('He said " yes .', '" Yes , " he said', 1), ("A .", "B .", 0)],
    ),
    ("mrpc", "dev", (_QUALITY, "0|3|4|C .|D ."), [("C .", "D .", 0)]),
    (
        *("mrpc", "test"),
        ("\ufeffindex|#1 ID|#2 ID|#1 String|#2 String", "0|1089874|1089925|E .|F ."),
        [("E .", "F .", None)],
    ),
    (
        *("mnli", "train"),
        (
            _MNLI + "|label1|gold_label",
            f"0|{_MNLI_CELLS}|P0|H0|neutral|contradiction",
            f"1|{_MNLI_CELLS}|P1|H1|neutral|entailment",
            f"2|{_MNLI_CELLS}|P2|H2|entailment|neutral",
        ),
        [("P0", "H0", 0), ("P1", "H1", 1), ("P2", "H2", 2)],
    ),
    *(
        (
            *("mnli", split),
            (
                _MNLI + "|label1|label2|label3|label4|label5|gold_label",
                f"0|{_MNLI_CELLS}|P|{split}|neutral|neutral|neutral|neutral|neutral|entailment",
            ),
            [("P", split, 1)],
        )
        for split in ("dev_matched", "dev_mismatched")
    ),
    *(
        ("mnli", split, (_MNLI, f"0|{_MNLI_CELLS}|P|{split}"), [("P", split, None)])
        for split in ("test_matched", "test_mismatched")
    ),
    ("mnli", "diagnostic", ("index|sentence1|sentence2", "0|P|H"), [("P", "H", None)]),
    (
        *("sst", "train"),
        ("sentence|label", "a charming journey |1", "bleak |0"),
        [("a charming journey ", None, 1), ("bleak ", None, 0)],
    ),
    ("sst", "dev", ("sentence|label", "fine |1"), [("fine ", None, 1)]),
    ("sst", "test", ("index|sentence", "0|uneasy"), [("uneasy", None, None)]),
    (
        *("qqp", "train"),
        (
            "id|qid1|qid2|question1|question2|is_duplicate",
            "7|21|22|Why?|How come?|1",
            "8|1|2|A?||0",
        ),
        [("Why?", "How come?", 1), ("A?", "", 0)],
    ),
    (
        *("qqp", "dev"),
        ("id|qid1|qid2|question1|question2|is_duplicate", "7|21|22|Why?|Who?|0"),
        [("Why?", "Who?", 0)],
    ),
    ("qqp", "test", ("id|question1|question2", "0|Why?|Who?"), [("Why?", "Who?", None)]),
    (
        *("rte", "train"),
        ("index|sentence1|sentence2|label", "0|T0|H0|not_entailment", "1|T1|H1|entailment"),
        [("T0", "H0", 1), ("T1", "H1", 0)],
    ),
    (
        *("rte", "dev"),
        ("index|sentence1|sentence2|label", "0|T|H|entailment"),
        [("T", "H", 0)],
    ),
    ("rte", "test", ("index|sentence1|sentence2", "0|T|H"), [("T", "H", None)]),
    (
        *("qnli", "train"),
        ("index|question|sentence|label", "0|Q0|S0|entailment", "1|Q1|S1|not_entailment"),
        [("Q0", "S0", 0), ("Q1", "S1", 1)],
    ),
    ("qnli", "dev", ("index|question|sentence|label", "0|Q|S|entailment"), [("Q", "S", 0)]),
    ("qnli", "test", ("index|question|sentence", "0|Q|S"), [("Q", "S", None)]),
    (
        *("sts", "train"),
        (_STS + "|score", f"0|{_STS_CELLS}|A plane.|An air plane.|4.600", f"1|{_STS_CELLS}|A|B|0"),
        [("A plane.", "An air plane.", 4.6), ("A", "B", 0.0)],
    ),
    ("sts", "dev", (_STS + "|score", f"0|{_STS_CELLS}|A|B|5.000"), [("A", "B", 5.0)]),
    ("sts", "test", (_STS, f"0|{_STS_CELLS}|A|B"), [("A", "B", None)]),
    (
        *("wnli", "train"),
        ("index|sentence1|sentence2|label", "0|I stuck a pin.|I did.|1", "1|S|T|0"),
        [("I stuck a pin.", "I did.", 1), ("S", "T", 0)],
    ),
    ("wnli", "dev", ("index|sentence1|sentence2|label", "0|S|T|0"), [("S", "T", 0)]),
    ("wnli", "test", ("index|sentence1|sentence2", "0|S|T"), [("S", "T", None)]),
]


@pytest.mark.parametrize(("name", "split", "lines", "expected"), FILES)
def test_examples(tmp_path, name, split, lines, expected):
    task = task_with(tmp_path, name, {f"{split}.tsv": tsv(*lines)})
    assert texts_of(task, split) == expected


@pytest.mark.parametrize(
    ("name", "split", "lines", "expected"), [row for row in FILES if row[3][0][2] is None]
)
@pytest.mark.parametrize("label", ["-1", "", "?", "entailment"])
def test_the_labels_of_a_test_are_not_read(tmp_path, name, split, lines, expected, label):
    header, *rows = lines
    labelled = tsv(f"{header}|label", *(f"{row}|{label}" for row in rows))
    assert texts_of(task_with(tmp_path, name, {f"{split}.tsv": labelled}), split) == expected


@pytest.mark.parametrize("skip", [False, True])
def test_no_row_of_a_test_is_left_out(tmp_path, skip):
    """There is a prediction for each, or the places of those behind it would be wrong."""
    task = task_with(tmp_path, "sst", {"test.tsv": tsv("index|sentence", "0|a", "1|b|c", "2|d")})
    message = refusal(task.read, "test", skip)
    assert "test.tsv, line 3: 3 columns where the header has 2; no row of a test" in message
    assert "skip_bad_rows" not in message


def test_every_split_of_every_task_was_read(tmp_path):
    tasks = {name: task_with(tmp_path, name, {}) for name in GLUE_TASKS}
    splits = {(name, split) for name, task in tasks.items() for split in task.splits}
    assert splits == {(name, split) for name, split, *_ in FILES}
    assert tasks["mnli"].splits_of("dev") == ("dev_matched", "dev_mismatched")
    assert tasks["mnli"].splits_of("test") == ("test_matched", "test_mismatched", "diagnostic")


def test_defaults_of_the_reference(tmp_path):
    tasks = {name: task_with(tmp_path, name, {}) for name in GLUE_TASKS}
    assert {n for n, task in tasks.items() if task.num_train_epochs == 10} == {"rte", "sts"}
    assert {n for n, task in tasks.items() if task.unordered} == {"mrpc", "sts"}
    assert {task.max_seq_length for task in tasks.values()} == {128}
    assert tasks["cola"].metrics == ("mcc",)
    assert tasks["qqp"].metrics == ("accuracy", "f1")
    assert tasks["sts"].metrics[:2] == ("spearman", "pearson")
    assert tasks["sts"].label_range == LabelRange(0.0, 5.0)
    assert tasks["mnli"].classes.names == ("contradiction", "entailment", "neutral")


def test_examples_know_their_line(tmp_path):
    lines = ("sentence|label", "a|1", "", "b|0")
    examples = task_with(tmp_path, "sst", {"train.tsv": tsv(*lines)}).read("train").examples
    path = tmp_path / "finetuning_data" / "sst" / "train.tsv"
    assert [str(e.location) for e in examples] == [f"{path}, line 2", f"{path}, line 4"]


def test_unordered_pairs_are_swapped(tmp_path):
    lines = (_QUALITY, "1|1|2|A|B", "0|3|4|C|D")
    examples = task_with(tmp_path, "mrpc", {"train.tsv": tsv(*lines)}).read("train").examples
    assert [(e.text, e.text_pair, e.label) for e in double_unordered(examples)] == [
        ("A", "B", 1),
        ("C", "D", 0),
        ("B", "A", 1),
        ("D", "C", 0),
    ]


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("cola", ("gj04|1||Good.", "gj04|2||Bad."), "line 2: label '2' is none of 0 | 1"),
        ("cola", ("gj04|1||Good.", "gj04|1|Bad."), "line 2: 3 columns where the first row has 4"),
        ("sst", ("sentence|label", "a|b|1"), "line 2: 3 columns where the header has 2"),
        ("sst", ("sentence",), "no column 1 (label); it has 'sentence'"),
        (
            "rte",
            ("index|sentence1|sentence2|label", "0|A|B|"),
            "line 2: label '' is none of entail",
        ),
        (
            "sts",
            (_STS + "|score", f"0|{_STS_CELLS}|A|B|5.1"),
            "label '5.1' is no number from 0 to 5",
        ),
        (
            "sts",
            (_STS + "|score", f"0|{_STS_CELLS}|A|B|nan"),
            "label 'nan' is no number from 0 to 5",
        ),
        ("sts", (_STS + "|score", f"0|{_STS_CELLS}|A|B|"), "label '' is no number from 0 to 5"),
        ("wnli", ("index|sentence1|sentence2|label",), "wnli: the split train is empty: "),
        ("wnli", (), "wnli: the split train is empty: "),
    ],
)
def test_bad_files_are_refused(tmp_path, name, lines, message):
    task = task_with(tmp_path, name, {"train.tsv": tsv(*lines)})
    assert message in refusal(task.read, "train")


def test_bad_rows_are_counted(tmp_path):
    rows = ("sentence|label", "good|1", "bad|2", "torn", "fine|0")
    task = task_with(tmp_path, "sst", {"train.tsv": tsv(*rows), "dev.tsv": tsv(*rows[:1], "x|9")})
    reading = task.read("train", skip_bad_rows=True)
    assert [example.text for example in reading.examples] == ["good", "fine"]
    assert reading.skipped == 2
    assert reading.first_skipped.endswith("train.tsv, line 3: label '2' is none of 0 | 1")
    assert "all 1 rows are bad, first" in refusal(task.read, "dev", skip_bad_rows=True)


def test_missing_splits_are_named(tmp_path):
    task = task_with(tmp_path, "mnli", {})
    assert "no split 'dev'; use train | dev_matched |" in refusal(task.read, "dev")
    assert "dev_matched.tsv does not exist" in refusal(task.read, "dev_matched")
