"""Built-in tasks from TensorFlow Datasets: its own builders make datasets of files written here, and
both ways of reading a task must yield the same examples."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from task_files import json_lines, refusal, task_with, texts_of, tsv

from lvbert_tf.finetuning.task_examples import RowLocation
from lvbert_tf.finetuning.tasks import tfds_rows
from lvbert_tf.finetuning.tasks.bad_rows import BadRows
from lvbert_tf.finetuning.tasks.glue import GLUE_TASKS
from lvbert_tf.finetuning.tasks.registry import built_in_tasks, find_task

TFDS_TASKS = [name for name, row in built_in_tasks().items() if row.tfds is not None]
ROWS = range(6)  # enough that TFDS, which shuffles by a hash, changes their order in every split


def table(header: str, row: str, *labels: str) -> str:
    """A header, if any, and rows with their number for #, `labels` in turn for @."""
    labels = labels or ("",)
    rows = [row.replace("#", str(n)).replace("@", labels[n % len(labels)]) for n in ROWS]
    return tsv(*[header] * bool(header), *rows)


def splits(row: str, header: str, test: str, test_header: str, *labels: str) -> dict[str, str]:
    """train.tsv, dev.tsv and test.tsv; ? becomes the split."""
    return {
        "train.tsv": table(header, row.replace("?", "train"), *labels),
        "dev.tsv": table(header, row.replace("?", "dev"), *labels),
        "test.tsv": table(test_header, test.replace("?", "test")),
    }


def pairs(first: str, second: str, *labels: str) -> dict[str, str]:
    header = f"index|{first}|{second}"
    return splits("#|A ? #|B ? # |@", header + "|label", "#|A ? #|B ? # ", header, *labels)


_MNLI = "index|promptID|pairID|genre|x|y|x_parse|y_parse|sentence1|sentence2"
_STS = "index|genre|filename|year|old_index|source1|source2|sentence1|sentence2"
_STS_ROW = '#|main|MSRvid|2012|0001|none|none|A ? "#|B ? #'
_QQP = "id|qid1|qid2|question1|question2|is_duplicate"
_QUALITY = "\ufeffQuality|#1 ID|#2 ID|#1 String|#2 String"
CONTEXT = "Beyoncé 🎤 was born in Houston, Texas. Houston is hot."
HOUSTON = [CONTEXT.index("Houston"), CONTEXT.rindex("Houston")]


def mnli(split: str) -> str:
    row = f"#|#p|#n|travel|x|y|(x)|(y)|P {split} #|H {split} #"
    if split.startswith("test"):
        return table(_MNLI, row)
    return table(
        f"{_MNLI}|label1|gold_label", f"{row}|neutral|@", "contradiction", "entailment", "neutral"
    )


def squad(split: str, unanswerable: bool) -> str:
    def question(n):
        marked = [{"text": "Houston", "answer_start": start} for start in HOUSTON[: 1 + n % 2]]
        asked = {"id": f"{split}-{n}", "question": f"Where {n}? "}
        if not unanswerable:
            return asked | {"answers": marked}
        if n % 3:
            return asked | {"answers": marked, "is_impossible": False}
        return asked | {"answers": [], "plausible_answers": marked, "is_impossible": True}

    paragraph = {"context": f" {CONTEXT}\n", "qas": [question(n) for n in ROWS]}
    for item in paragraph["qas"]:
        for answer in item["answers"]:
            answer["answer_start"] += 1
    return json.dumps({"version": "", "data": [{"title": "T", "paragraphs": [paragraph]}]})


def mrqa(split: str, context: str = CONTEXT) -> str:
    def question(n):
        first, second, texas = (context.index(text) for text in ("Houston", "Houston is", "Texas"))
        places = [[start, start + 6] for start in (first, second)[: 1 + n % 2]]
        found = [{"text": "houston", "char_spans": places, "token_spans": [[5, 5]] * len(places)}]
        found.append({"text": "Texas", "char_spans": [[texas, texas + 4]], "token_spans": [[7, 7]]})
        asked = {
            "qid": f"{split}-{n}",
            "question": f"Where {n}?",
            "question_tokens": [["Where", 0]],
        }
        return asked | {
            "answers": ["Houston", f"Texas {n}"],
            "detected_answers": found[: 1 + n % 3],
        }

    header = {"header": {"dataset": "X", "split": split}}
    tokens = [["Beyoncé", 0], ["🎤", 8]]
    record = {"context": context, "context_tokens": tokens, "qas": [question(n) for n in ROWS]}
    return json_lines(header, record)


def conll(split: str) -> str:
    return "-DOCSTART- -X- -X- O\n\n" + "".join(
        f"EU{split}{n} NNP B-NP B-ORG\nrejects VBZ B-VP O\nNew NNP B-NP B-LOC\nYork NNP I-NP I-LOC\n\n"
        for n in ROWS
    )


def mrpc() -> dict[str, str]:
    row = '@|1#?|2#?|A ? "#|B ? #'
    test_header = _QUALITY.replace("Quality", "index")
    return splits(row, _QUALITY, row.replace("@", "#"), test_header, "0", "1")


ENTAILMENT = ("entailment", "not_entailment")
MNLI_SPLITS = ("train", "dev_matched", "dev_mismatched", "test_matched", "test_mismatched")
CONTENT: dict[str, dict[str, str]] = {
    "cola": splits('gj04|@|*|"A ? #', "", "#|A ? #", "index|sentence", "0", "1"),
    "mrpc": mrpc(),
    "mnli": {
        **{f"{split}.tsv": mnli(split) for split in MNLI_SPLITS},
        "diagnostic.tsv": table("index|sentence1|sentence2", "#|P diagnostic #|H #"),
    },
    "sst": splits("a ? # |@", "sentence|label", "#|a ? # ", "index|sentence", "0", "1"),
    "qqp": splits("7#|2|3|A ? #|B ? #|@", _QQP, "#|A ? #|B ? #", "id|question1|question2", *"01"),
    "rte": pairs("sentence1", "sentence2", *ENTAILMENT),
    "qnli": pairs("question", "sentence", *ENTAILMENT),
    "sts": splits(f"{_STS_ROW}|@", f"{_STS}|score", _STS_ROW, _STS, "4.600", "0", "5.0", "3.267"),
    "wnli": pairs("sentence1", "sentence2", "0", "1"),
    "squad": {f"{split}.json": squad(split, unanswerable=True) for split in ("train", "dev")},
    "squadv1": {f"{split}.json": squad(split, unanswerable=False) for split in ("train", "dev")},
    **{
        name: {f"{split}.jsonl": mrqa(f"{name}-{split}") for split in ("train", "dev")}
        for name in ("newsqa", "naturalqs", "triviaqa", "searchqa")
    },
    "ner": {f"{split}.txt": conll(split) for split in ("train", "dev", "test")},
}
# What TFDS downloads, by the end of its address -> the file or folder above that stands in for it.
DOWNLOADS = {
    **{
        f"/{archive}.zip": f"{task}/archive"
        for archive, task in {
            **{"CoLA": "cola", "MNLI": "mnli", "SST-2": "sst", "QQP": "qqp", "RTE": "rte"},
            **{"QNLIv2": "qnli", "STS-B": "sts", "WNLI": "wnli", "conll2003": "ner"},
        }.items()
    },
    "/2BOtOJ7": "mnli/diagnostic.tsv",
    "/msr_paraphrase_train.txt": "mrpc/msr_train.txt",
    "/msr_paraphrase_test.txt": "mrpc/msr_test.txt",
    "mrpc_dev_ids.tsv": "mrpc/dev_ids.tsv",
    "-v1.1.json": "squadv1/{split}.json",
    "-v2.0.json": "squad/{split}.json",
    "/NewsQA.jsonl.gz": "newsqa/{split}.jsonl",
    "/NaturalQuestionsShort.jsonl.gz": "naturalqs/{split}.jsonl",
    "/TriviaQA-web.jsonl.gz": "triviaqa/{split}.jsonl",
    "/SearchQA.jsonl.gz": "searchqa/{split}.jsonl",
}


def write(data_dir: Path, content: Mapping[str, Mapping[str, str]]) -> None:
    """The files of tasks, and beside them what TFDS makes them of where that differs."""
    for name, files in content.items():
        task_with(data_dir, name, files)
        folder = data_dir / "finetuning_data" / name
        archive = folder / "archive"
        archive.mkdir()
        for inner in ("CoLA", "MNLI", "SST-2", "QQP", "RTE", "QNLI", "STS-B", "WNLI"):
            (archive / inner).symlink_to(folder)
        if name == "ner":
            for ours, theirs in {"train": "train", "dev": "valid", "test": "test"}.items():
                (archive / f"{theirs}.txt").symlink_to(folder / f"{ours}.txt")
        if name == "mrpc":
            header, *train = files["train.tsv"].splitlines()
            dev = files["dev.tsv"].splitlines()[1:]
            mixed = [row for both in zip(train, dev, strict=True) for row in both]
            (folder / "msr_train.txt").write_text("\n".join([header, *mixed, ""]))
            test = [row.partition("\t")[2] for row in files["test.tsv"].splitlines()[1:]]
            test = [header[1:], *(f"1\t{row}" for row in test), ""]
            (folder / "msr_test.txt").write_text("\n".join(test))
            ids = "".join("\t".join(row.split("\t")[1:3]) + "\n" for row in dev)
            (folder / "dev_ids.tsv").write_text(ids)


@pytest.fixture(scope="module", autouse=True)
def tfds_dir(tmp_path_factory):
    """An empty directory for TFDS; records come in batches of less than a split."""
    from tensorflow_datasets.core import constants

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "DATA_DIR", str(tmp_path_factory.mktemp("tfds")))
        patch.setattr(tfds_rows, "_BATCH", 4)
        yield patch


@pytest.fixture
def serve(monkeypatch, tmp_path_factory) -> Callable:
    """Lets TFDS download from a directory with tasks, into a directory of its own."""
    import tensorflow as tf
    import tensorflow_datasets as tfds
    from etils import epath
    from tensorflow_datasets.core import constants

    def start(data_dir: Path, keep: bool = False) -> None:
        def find(address):
            (place,) = {place for end, place in DOWNLOADS.items() if end in address}
            place = place.format(split="train" if "train" in address.lower() else "dev")
            return epath.Path(data_dir / "finetuning_data" / place)

        def download(self, addresses):
            return tf.nest.map_structure(find, addresses)

        for method in ("download", "download_and_extract"):
            monkeypatch.setattr(tfds.download.DownloadManager, method, download)
        if not keep:
            monkeypatch.setattr(constants, "DATA_DIR", str(tmp_path_factory.mktemp("tfds")))

    return start


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("data")
    write(directory, CONTENT)
    return directory


def examples_of(task, split: str) -> list:
    return [replace(example, location=RowLocation("", 0)) for example in task.read(split).examples]


def test_every_task_is_written():
    assert set(CONTENT) == set(TFDS_TASKS)


@pytest.mark.parametrize("name", TFDS_TASKS)
def test_examples_are_those_of_the_files(data_dir, serve, name):
    serve(data_dir, keep=True)
    files, tfds = find_task(name, data_dir), find_task(name, data_dir, "tfds")
    for split in files.splits:
        expected, found = examples_of(files, split), examples_of(tfds, split)
        assert len(expected) == len(ROWS)
        if name in GLUE_TASKS:
            assert found == expected
            places = [example.location.place for example in tfds.read(split).examples]
            columns, location = {"index": "idx"}, tfds.splits[split].location
            stored = [r["index"] for _, r in tfds_rows.read_tfds(location, columns, BadRows())]
            assert places == [f"idx {index}" for index in sorted(stored)]
            assert stored != sorted(stored), "TFDS did not shuffle"
        else:
            assert sorted(found, key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize("name", TFDS_TASKS)
def test_all_but_the_place_of_the_splits_agrees(data_dir, name):
    files, tfds = find_task(name, data_dir), find_task(name, data_dir, "tfds")
    assert replace(tfds, splits={}) == replace(files, splits={})
    assert [(split, tfds.splits[split].role) for split in tfds.splits] == [
        (split, files.splits[split].role) for split in files.splits
    ]
    assert all(split.location.startswith("tfds:") for split in tfds.splits.values())


@pytest.mark.parametrize("name", GLUE_TASKS)
def test_labels(data_dir, serve, name):
    """The rows above have every class, and those of a test none."""
    serve(data_dir, keep=True)
    task = find_task(name, data_dir, "tfds")
    labels = {label for *_, label in texts_of(task, "train")}
    assert labels == ({4.6, 0, 5, 3.267} if name == "sts" else set(range(len(task.classes.names))))
    for split in task.splits_of("test"):
        assert {label for *_, label in texts_of(task, split)} == {None}


def test_a_test_row_that_tfds_lost(tmp_path, serve):
    """It leaves out a row without all its columns, so those behind it would move up."""
    whole = CONTENT["wnli"]["test.tsv"]
    torn = whole.replace("2\tA test 2\tB test 2 \n", "2\tA test 2\n")
    assert torn != whole
    write(tmp_path, {"wnli": CONTENT["wnli"] | {"test.tsv": torn}})
    serve(tmp_path)
    task = find_task("wnli", tmp_path, "tfds")
    assert "tfds:glue/wnli:test: its 5 idx are not 0..4" in refusal(task.read, "test")
    assert len(task.read("train").examples) == len(ROWS)


def test_a_context_that_tfds_stripped(tmp_path, serve):
    """The places of the answers are those of the context as it was."""
    content = {f"{split}.jsonl": mrqa(split, f"  {CONTEXT}") for split in ("train", "dev")}
    write(tmp_path, {"newsqa": content})
    serve(tmp_path)
    task = find_task("newsqa", tmp_path, "tfds")
    message = refusal(task.read, "train")
    assert message.startswith("tfds:mrqa/news_qa:train, record 0: the answer 'houston' is not at")


def test_contradictions_of_squad_2(tmp_path, serve):
    content = {file: text.replace("true", "false") for file, text in CONTENT["squad"].items()}
    write(tmp_path, {"squad": content})
    serve(tmp_path)
    message = refusal(find_task("squad", tmp_path, "tfds").read, "dev")
    assert message.startswith("tfds:squad/v2.0:validation, record ") and ": no answer" in message


def test_without_a_network(tmp_path, monkeypatch, serve):
    import tensorflow_datasets as tfds

    def fail(self, addresses):
        raise requests.exceptions.ConnectionError("Max retries exceeded\nmore")

    serve(tmp_path)
    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", fail)
    message = refusal(find_task("rte", tmp_path, "tfds").read, "train")
    assert message.startswith("tfds:glue/rte:train could not be prepared: Max retries exceeded; ")
    assert "tfds.builder('glue/rte').download_and_prepare()" in message
    assert "TFDS_DATA_DIR" in message


@pytest.mark.parametrize("name", ["chunk", "pos"])
def test_tasks_that_tfds_lacks(tmp_path, name):
    message = refusal(find_task, name, tmp_path, "tfds")
    assert message.startswith(f"{name}: TensorFlow Datasets has no such task, but cola | sst | ")


def test_data_sources(tmp_path):
    message = refusal(find_task, "cola", tmp_path, "tdfs")
    assert message == "data_source 'tdfs' is not one of files | tfds"


def test_a_task_of_ones_own_names_its_files(tmp_path):
    columns = '[files]\ntrain = "a.csv"\ndev = "a.csv"\n[columns]\ntext = "t"\nlabel = "l"'
    description = f'kind = "classification"\nlabels = ["no", "yes"]\n{columns}'
    task_with(tmp_path, "mine", {"task.toml": description, "a.csv": "t,l\nA,yes\n"})
    assert texts_of(find_task("mine", tmp_path, "tfds"), "train") == [("A", None, 1)]
