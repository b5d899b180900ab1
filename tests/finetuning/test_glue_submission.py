import threading
import time
import zipfile
from dataclasses import replace

import pytest
from task_files import refusal

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.results import glue_submission
from lvbert_tf.finetuning.results.glue_submission import write_glue_submission
from lvbert_tf.finetuning.tasks.glue import GLUE_TASKS

# Rows of the test sets as Hugging Face's dataset card counts them, and the site's labels.
SITE = {
    "CoLA.tsv": (1063, {"0", "1"}),
    "SST-2.tsv": (1821, {"0", "1"}),
    "MRPC.tsv": (1725, {"0", "1"}),
    "STS-B.tsv": (1379, {"2.500"}),
    "QQP.tsv": (390965, {"0", "1"}),
    "MNLI-m.tsv": (9796, {"contradiction", "entailment", "neutral"}),
    "MNLI-mm.tsv": (9847, {"contradiction", "entailment", "neutral"}),
    "QNLI.tsv": (5463, {"entailment", "not_entailment"}),
    "RTE.tsv": (3000, {"entailment", "not_entailment"}),
    "WNLI.tsv": (146, {"0", "1"}),
    "AX.tsv": (1104, {"contradiction", "entailment", "neutral"}),
}


def write(path, predictions, **rows):
    counts = {key: len(values) for key, values in predictions.items()}
    return write_glue_submission(path, predictions, {**counts, **rows})


def tables(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def answers(table):
    header, *rows = table.splitlines()
    assert header == "index\tprediction"
    assert [row.split("\t")[0] for row in rows] == [str(index) for index in range(len(rows))]
    return [row.split("\t")[1] for row in rows]


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Where a zip may go that has 10 rows for qqp, so that it is written in no time."""
    qqp = GLUE_TASKS["qqp"]
    table = replace(qqp.submission["test"], rows=10)
    monkeypatch.setitem(GLUE_TASKS, "qqp", replace(qqp, submission={"test": table}))
    return tmp_path / "results" / "glue_submission.zip"


def test_a_table_for_every_test_set_of_the_site(tmp_path):
    path = tmp_path / "new" / "submission.zip"
    found = write(path, {("wnli", "test"): ["0", "1"] * 73})
    written = tables(path)
    assert written.keys() == SITE.keys()
    for file, (rows, labels) in SITE.items():
        given = answers(written[file])
        assert len(given) == rows
        assert set(given) <= labels
    assert written["WNLI.tsv"].startswith("index\tprediction\n0\t0\n1\t1\n2\t0\n")
    assert found.predicted == ("WNLI.tsv",)
    assert set(found.filled) == SITE.keys() - {"WNLI.tsv"}
    assert not found.other_rows


def test_every_test_split_of_glue_has_a_table(tmp_path):
    for name, row in GLUE_TASKS.items():
        assert set(row.from_files(name, tmp_path).splits_of("test")) == set(row.submission)


def test_which_task_and_split_go_where(path):
    marks = {
        ("cola", "test"): ("CoLA.tsv", "0"),
        ("sst", "test"): ("SST-2.tsv", "0"),
        ("mrpc", "test"): ("MRPC.tsv", "0"),
        ("sts", "test"): ("STS-B.tsv", 1.0),
        ("qqp", "test"): ("QQP.tsv", "1"),
        ("mnli", "test_matched"): ("MNLI-m.tsv", "neutral"),
        ("mnli", "test_mismatched"): ("MNLI-mm.tsv", "contradiction"),
        ("mnli", "diagnostic"): ("AX.tsv", "neutral"),
        ("qnli", "test"): ("QNLI.tsv", "not_entailment"),
        ("rte", "test"): ("RTE.tsv", "not_entailment"),
        ("wnli", "test"): ("WNLI.tsv", "1"),
    }
    # A table is told by its number of rows.
    predictions = {
        key: [mark] * length for length, (key, (_, mark)) in enumerate(marks.items(), start=1)
    }
    found = write(path, predictions)
    written = tables(path)
    for length, (file, mark) in enumerate(marks.values(), start=1):
        assert answers(written[file]) == ["1.000" if mark == 1.0 else mark] * length
    assert found.filled == ()
    assert found.other_rows["AX.tsv"] == (8, 1104)


def test_similarities_have_three_decimals_from_0_to_5(path):
    write(path, {("sts", "test"): [2.71828, -0.4, -0.0, 5.2, 5, 0.0004]})
    found = answers(tables(path)["STS-B.tsv"])
    assert found == ["2.718", "0.000", "0.000", "5.000", "5.000", "0.000"]


def test_runs_that_end_at_the_same_time_lose_nothing_of_each_other(path, monkeypatch):
    read, both = glue_submission._read_zip, threading.Barrier(2)

    def read_slowly(*arguments):
        found = read(*arguments)
        time.sleep(0.2)  # long enough for the other one to read, too
        return found

    def submit(task, label):
        both.wait()
        write(path, {(task, "test"): [label] * 3})

    monkeypatch.setattr(glue_submission, "_read_zip", read_slowly)
    threads = [
        threading.Thread(target=submit, args=pair) for pair in (("cola", "0"), ("wnli", "1"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = tables(path)
    assert answers(found["CoLA.tsv"]) == ["0"] * 3 and answers(found["WNLI.tsv"]) == ["1"] * 3


def test_further_tasks_join_the_ones_before(path):
    write(path, {("cola", "test"): ["0", "1"]})
    found = write(path, {("rte", "test"): ["not_entailment"]})
    assert found.predicted == ("CoLA.tsv", "RTE.tsv")
    assert answers(tables(path)["CoLA.tsv"]) == ["0", "1"]
    write(path, {("cola", "test"): ["1", "1"]})
    assert answers(tables(path)["CoLA.tsv"]) == ["1", "1"]
    assert answers(tables(path)["RTE.tsv"]) == ["not_entailment"]


def test_a_model_that_predicts_one_class_is_told_from_a_filler(path):
    found = write(path, {("wnli", "test"): ["0"] * 146})
    assert found.predicted == ("WNLI.tsv",)


def test_the_same_predictions_make_the_same_bytes(path):
    cola = {("cola", "test"): ["0", "1"]}
    rte = {("rte", "test"): ["not_entailment"]}
    for name, runs in {"a": (cola, rte), "b": (rte, cola), "c": ({**cola, **rte},)}.items():
        for predictions in runs:
            write(path.with_name(name), predictions)
    assert path.with_name("a").read_bytes() == path.with_name("b").read_bytes()
    assert path.with_name("a").read_bytes() == path.with_name("c").read_bytes()
    with zipfile.ZipFile(path.with_name("a")) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_user_is_told_what_is_missing(path):
    found = write(path, {("cola", "test"): ["0"], ("mnli", "diagnostic"): ["neutral"] * 1104})
    first, second, third = str(found).splitlines()
    assert first == f"{path}: predictions in CoLA.tsv, AX.tsv"
    assert second.startswith("  no predictions, so one answer throughout, in SST-2.tsv, MRPC.tsv, ")
    assert second.count(".tsv") == 9
    assert third == "  warning: CoLA.tsv has 1 rows, but the site's test set 1,063"


def test_rows_left_out_are_refused(path):
    predictions = {("qnli", "test"): ["entailment"] * 5462}
    message = refusal(write_glue_submission, path, predictions, {("qnli", "test"): 5463})
    assert message.startswith("qnli test: 5,462 predictions for 5,463 rows")
    assert not path.exists()


WRONG = {
    "another task": (("chunk", "test"), ["O"], "chunk test is no test set of GLUE"),
    "a dev split": (("cola", "dev"), ["0"], "cola dev is no test set of GLUE"),
    "another class": (("rte", "test"), ["neutral"], "rte test: 'neutral' is no class of the task"),
    "an index": (("rte", "test"), [0], "rte test: 0 is no class of the task"),
    "not a number": (("sts", "test"), [float("nan")], "sts test: nan is no number"),
    "a text": (("sts", "test"), ["1"], "sts test: '1' is no number"),
}


@pytest.mark.parametrize("key, values, message", WRONG.values(), ids=WRONG)
def test_what_is_no_prediction(path, key, values, message):
    with pytest.raises(ValueError, match=message):
        write(path, {key: values})
    assert not path.exists()


def encrypted(content):
    """Sets the bit that says so, in the local and the central header of the first member."""
    changed = bytearray(content)
    changed[6] |= 1
    changed[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


DAMAGE = {
    "no zip": lambda content: b"no zip file",
    "cut off": lambda content: content[: len(content) // 2],
    "changed": lambda content: content[:50] + bytes(50) + content[100:],
    "with a password": encrypted,
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_zip_is_left_alone(path, damage):
    write(path, {("cola", "test"): ["0", "1"] * 100})
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    message = refusal(write, path, {("cola", "test"): ["0"]})
    assert f"{path} cannot be read, so nothing is added" in message
    assert path.read_bytes() == damaged


def test_other_files_of_a_zip_are_dropped(path):
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../evil.tsv", "x")
    write(path, {("cola", "test"): ["0"]})
    assert tables(path).keys() == SITE.keys()


def test_a_full_disk_keeps_the_old_zip(path, full_disk):
    write(path, {("cola", "test"): ["0", "1"]})
    before = path.read_bytes()
    with full_disk(1000), pytest.raises(InputError, match=r"cannot write .*glue_submission.zip"):
        write(path, {("cola", "test"): ["1", "1"]})
    assert path.read_bytes() == before
    assert list(path.parent.glob("[!.]*")) == [path]
    assert not list(path.parent.glob("*.writing"))
