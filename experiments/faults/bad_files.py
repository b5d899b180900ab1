"""Bad files that a user gives: vocabularies, corpora, records, tasks, models."""

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from experiments.faults.refusals import own_file, refusal
from experiments.faults.results import Case
from experiments.faults.world import NAME, Site

Content = bytes | str | Callable[[Path], object] | None
"""What a file holds; a function that makes it at a path; None for a directory."""


def cases(world: Site) -> Iterator[Case]:
    """All bad files."""
    for name, content in _VOCABULARIES.items():
        yield refusal(world, "vocabularies", name, _with("vocab.txt", content, _build))
    for name, file, content in _CORPORA:
        yield refusal(world, "corpora", name, _with_corpus(file, content))
    for name, change in _RECORDS.items():
        yield refusal(world, "records", name, _with_records(change))
    for name, toml, data in _TASKS:
        yield refusal(world, "tasks", name, _with_task(toml, data))
    for name, task, file, content in _BUILT_IN:
        yield refusal(world, "tasks", name, _with_built_in(task, file, content))
    for name, change in _HUGGING_FACE.items():
        yield refusal(world, "models", f"Hugging Face: {name}", _with_hugging_face(change))
    for name, change in _PRESETS.items():
        yield refusal(world, "models", f"preset: {name}", _with_preset(change))


def _make(site: Site, part: str, content: Content) -> Path:
    if not callable(content):
        return own_file(site, part, content)
    path = own_file(site, part, b"")
    path.unlink()
    content(path)
    return path


def _with(part: str, content: Content, then: Callable[[Site], Sequence[str]]) -> Callable:
    def make(world: Site, site: Site) -> Sequence[str]:
        _make(site, part, content)
        return then(site)

    return make


_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]
_VOCABULARIES: dict[str, Content] = {
    "empty": b"",
    "without [MASK]": "\n".join(_TOKENS[:4]),
    "binary": bytes(range(256)) * 4,
    "in UTF-16": "\n".join(_TOKENS).encode("utf-16"),
    "compressed": lzma.compress("\n".join(_TOKENS).encode()),
    "a directory": None,
    "a pipe": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path),
    "that no text fits": "\n".join(_TOKENS),
}


def _with_corpus(file: str, content: Content) -> Callable:
    return _with(f"new/{file}", content, lambda site: _build(site, corpus_dir=site.path("new")))


def _build(site: Site, **flags: object) -> Sequence[str]:
    return site.build(output_dir=site.path("records"), **flags)


def _tar(path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = 20_000
        archive.addfile(entry, io.BytesIO(b"word " * 4000))
    path.write_bytes(buffer.getvalue()[:5000])


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "some words")


_CORPORA: list[tuple[str, str, Content]] = [
    ("an empty directory", "deeper", None),
    ("an empty file", "a.txt", b""),
    ("zeros", "a.txt", b"\0" * 1000),
    ("a zip archive", "a.txt", _zip),
    ("a cut xz file", "a.txt.xz", lzma.compress(b"some words " * 1000)[:-40]),
    ("a cut gzip file", "a.txt.gz", gzip.compress(b"some words " * 1000)[:-10]),
    ("a cut bzip2 file", "a.txt.bz2", bz2.compress(b"some words " * 1000)[:-10]),
    ("a zstd file of nothing else", "a.txt.zst", b"\x28\xb5\x2f\xfd nonsense"),
    ("a cut tar archive", "a.tar", _tar),
    ("a tar archive that is none", "a.tar", b"some words"),
    ("JSON lines without the field", "a.jsonl", b'{"body": "some words"}\n'),
    ("JSON lines with a number as text", "a.jsonl", b'{"text": 7}\n'),
    ("broken JSON lines", "a.jsonl", b'{"text": "some words"\n'),
    ("JSON lines too deep", "a.jsonl", b'{"text": ' + b"[" * 100_000 + b"\n"),
    ("UTF-16", "a.txt", "some words\n".encode("utf-16")),
    ("a pipe", "a.txt", os.mkfifo),
    ("a link to itself", "a.txt", lambda path: path.symlink_to(path)),
]


def _with_records(change: Callable[[Path], object]) -> Callable:
    def make(world: Site, site: Site) -> Sequence[str]:
        old = Path(world.path("pretrain_tfrecords"))
        for file in old.iterdir():
            own_file(site, "records/pretrain_tfrecords/" + file.name, file.read_bytes())
        directory = Path(site.path("records", "pretrain_tfrecords"))
        change(directory)
        places = {
            "pretrain_tfrecords": f"{directory}/pretrain_data.tfrecord*",
            "eval_tfrecords": f"{directory}/held_out.tfrecord*",
        }
        return site.pretrain("new", places)

    return make


_SHARD = "pretrain_data.tfrecord-1-of-4"


def _manifest(**changes: object) -> Callable[[Path], object]:
    def change(directory: Path) -> None:
        path = directory / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def _shards(**changes: object) -> Callable[[Path], object]:
    def change(directory: Path) -> None:
        path = directory / "manifest.json"
        content = json.loads(path.read_text())
        content["training"]["shards"][1].update(changes)
        path.write_text(json.dumps(content))

    return change


_RECORDS: dict[str, Callable[[Path], object]] = {
    "a missing shard": lambda directory: (directory / _SHARD).unlink(),
    "a shard that is a directory": lambda directory: (
        (directory / _SHARD).unlink(),
        (directory / _SHARD).mkdir(),
    ),
    "no manifest": lambda directory: (directory / "manifest.json").unlink(),
    "a manifest that is a directory": lambda directory: (
        (directory / "manifest.json").unlink(),
        (directory / "manifest.json").mkdir(),
    ),
    "a manifest too deep": lambda directory: (directory / "manifest.json").write_text(
        "[" * 100_000
    ),
    "a manifest of another format": _manifest(format=9),
    "a manifest with a list for a number": _manifest(max_seq_length=[16]),
    "a shard with a number as name": _shards(name=7),
    "a shard with a path as name": _shards(name="../../vocab.txt"),
    "a shard with fewer examples": _shards(examples=5),
    "a shard without places": _shards(block_offsets=[]),
    "a shard with a place amid a record": _shards(block_offsets=[3]),
    "another vocabulary": _manifest(vocabulary_sha256="0" * 64),
}

_TEXTS = 'kind = "classification"\nlabels = ["bad", "good"]\n'
_FILES = '[files]\ntrain = "train.{}"\ndev = "train.{}"\n'
_COLUMNS = '[columns]\ntext = "text"\nlabel = "label"\n'
_TSV, _CSV = (
    _TEXTS + _FILES.format("tsv", "tsv") + _COLUMNS,
    _TEXTS + _FILES.format("csv", "csv") + _COLUMNS,
)
_JSONL = _TEXTS + _FILES.format("jsonl", "jsonl") + _COLUMNS
_GOOD = b"text\tlabel\nfine words\tgood\n"
_TASKS: list[tuple[str, str | bytes, dict[str, bytes]]] = [
    ("a task.toml that is not UTF-8", b'kind = "\xe9"', {}),
    ("a task.toml too deep", "kind = " + "[" * 100_000, {}),
    ("a task of an unknown kind", 'kind = "poetry"\n', {}),
    ("a task with a label twice", _TSV.replace("bad", "good"), {"train.tsv": _GOOD}),
    ("a task with a missing file", _TSV, {}),
    ("a task with a file elsewhere", _TSV.replace("train.tsv", "a\\u0000b"), {}),
    ("a task with a missing column", _TSV.replace('"text"', '"body"'), {"train.tsv": _GOOD}),
    ("an empty file", _TSV, {"train.tsv": b""}),
    ("an unknown label", _TSV, {"train.tsv": _GOOD + b"words\tso-so\n"}),
    ("a row with too few columns", _TSV, {"train.tsv": _GOOD + b"words\n"}),
    ("a row that is not UTF-8", _TSV, {"train.tsv": _GOOD + b"\xff\tgood\n"}),
    ("a row with a zero byte", _TSV, {"train.tsv": _GOOD + b"a\0b\tgood\n"}),
    ("a file in UTF-16", _TSV, {"train.tsv": "text\tlabel\na\tgood\n".encode("utf-16")}),
    ("an open quotation mark", _CSV, {"train.csv": b'text,label\n"fine words,good\n'}),
    ("a field of 200 MB", _CSV, {"train.csv": b'text,label\n"' + b"a" * 2_000_000 + b'\n",good\n'}),
    ("broken JSON lines", _JSONL, {"train.jsonl": b'{"text": \n'}),
    ("JSON lines without a column", _JSONL, {"train.jsonl": b'{"text": "a"}\n'}),
    (
        "JSON lines with half a character",
        _JSONL,
        {"train.jsonl": b'{"text": "\\ud800", "label": "bad"}\n'},
    ),
    ("JSON lines too deep", _JSONL, {"train.jsonl": b"[" * 100_000 + b"\n"}),
]


def _with_task(toml: str | bytes, files: dict[str, bytes]) -> Callable:
    def make(world: Site, site: Site) -> Sequence[str]:
        own_file(site, "finetuning_data/own/task.toml", toml)
        for name, content in files.items():
            own_file(site, f"finetuning_data/own/{name}", content)
        return _finetune(world, site, "own")

    return make


def _finetune(world: Site, site: Site, task: str) -> Sequence[str]:
    start = world.path("models", NAME, "preset")
    changes = {"init_checkpoint": start, "task_names": [task], "write_test_outputs": False}
    return site.finetune("new", changes)


def _squad(*questions: object, context: object = "fine words") -> bytes:
    paragraph = {"context": context, "qas": list(questions)}
    return json.dumps({"version": "v2.0", "data": [{"paragraphs": [paragraph]}]}).encode()


_ANSWER = {"text": "fine", "answer_start": 0}
_QUESTION = {"id": "1", "question": "what", "answers": [_ANSWER], "is_impossible": False}
_BUILT_IN: list[tuple[str, str, str, bytes]] = [
    ("SQuAD: broken JSON", "squad", "train.json", b'{"data": ['),
    ("SQuAD: data that are numbers", "squad", "train.json", b'{"data": [1, 2]}'),
    ("SQuAD: no questions", "squad", "train.json", _squad()),
    ("SQuAD: a context that is a number", "squad", "train.json", _squad(_QUESTION, context=7)),
    ("SQuAD: an id twice", "squad", "train.json", _squad(_QUESTION, _QUESTION)),
    *[
        (f"SQuAD: {name}", "squad", "train.json", _squad({**_QUESTION, **change}))
        for name, change in {
            "an answer elsewhere": {"answers": [{"text": "fine", "answer_start": 3}]},
            "an answer before the context": {"answers": [{"text": "fine", "answer_start": -9}]},
            "an answer at no place": {"answers": [{"text": "fine"}]},
            "answers that are text": {"answers": "fine"},
            "no question": {"question": None},
        }.items()
    ],
    ("SQuAD: JSON too deep", "squad", "train.json", b"[" * 100_000),
    (
        "SQuAD: a number of 10,000 digits",
        "squad",
        "train.json",
        b'{"data": ' + b"9" * 10_000 + b"}",
    ),
    ("tags: a word without its tag", "chunk", "train.txt", b"fine B-NP\nwords\n"),
    ("tags: a file that is not UTF-8", "chunk", "train.txt", b"\xff\xfe B-NP\n"),
    ("scores: a score beyond the range", "sts", "train.tsv", b"a\tb\tscore\nx\ty\t50\n"),
    ("scores: not a number", "sts", "train.tsv", b"a\tb\tscore\nx\ty\tnan\n"),
]


def _with_built_in(task: str, file: str, content: bytes) -> Callable:
    def make(world: Site, site: Site) -> Sequence[str]:
        own_file(site, f"finetuning_data/{task}/{file}", content)
        own_file(site, f"finetuning_data/{task}/{file.replace('train', 'dev')}", content)
        return _finetune(world, site, task)

    return make


def _copied(world: Site, site: Site, part: str, to: str) -> Path:
    source = Path(world.path(part))
    for file in source.rglob("*"):
        if file.is_file():
            own_file(site, f"{to}/{file.relative_to(source)}", file.read_bytes())
    return Path(site.path(to))


def _with_hugging_face(change: Callable[[Path], object]) -> Callable:
    def make(world: Site, site: Site) -> Sequence[str]:
        part = "converted/preset_huggingface/discriminator"
        change(_copied(world, site, part, "hugging_face"))
        return site.convert("preset", "hugging_face", "huggingface")

    return make


def _json(name: str, **changes: object) -> Callable[[Path], object]:
    def change(directory: Path) -> None:
        path = directory / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


_HUGGING_FACE: dict[str, Callable[[Path], object]] = {
    "a model of another kind": _json("config.json", model_type="t5"),
    "a width that is text": _json("config.json", hidden_size="wide"),
    "another width": _json("config.json", hidden_size=32),
    "a width for no memory": _json("config.json", hidden_size=10**9, embedding_size=10**9),
    "no weights": lambda at: (at / "model.safetensors").unlink(),
    "weights that are text": lambda at: (at / "model.safetensors").write_text("weights"),
    "weights that are a directory": lambda at: (
        (at / "model.safetensors").unlink(),
        (at / "model.safetensors").mkdir(),
    ),
    "a pickle": lambda at: (at / "model.safetensors").rename(at / "pytorch_model.bin"),
    "a vocabulary without [MASK]": lambda at: (at / "vocab.txt").write_text("a\nb\n"),
    "no vocabulary": lambda at: (at / "vocab.txt").unlink(),
}


def _with_preset(change: Callable[[Path], object]) -> Callable:
    def make(world: Site, site: Site) -> Sequence[str]:
        change(_copied(world, site, f"models/{NAME}/preset", "preset"))
        return site.export("preset")

    return make


_PRESETS: dict[str, Callable[[Path], object]] = {
    "a class of another package": _json("config.json", registered_name="keras_hub>BertBackbone"),
    "a class that runs code": _json("config.json", module="os", class_name="system"),
    "no weights": lambda at: (at / "model.weights.h5").unlink(),
    "weights that are text": lambda at: (at / "model.weights.h5").write_text("weights"),
    "a link to elsewhere": lambda at: (
        (at / "model.weights.h5").unlink(),
        (at / "model.weights.h5").symlink_to("/etc/hostname"),
    ),
    "no vocabulary": lambda at: (at / "assets/tokenizer/vocabulary.txt").unlink(),
    "a config.json too deep": lambda at: (at / "config.json").write_text("[" * 100_000),
}
