"""From files as they are published to the tasks' folders, a part of each where they are large."""

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from experiments.finetuning.experiment import TaskPlan
from lvbert_tf.errors import InputError, reason
from lvbert_tf.io.whole import new_directory, replace_file

WIKIPEDIA = "wikipedia_leads.jsonl.gz"

_GLUE = {"cola": ("CoLA", False), "mrpc": ("MRPC", True), "sst": ("SST-2", True)}  # has a header
_DEV_SHARE = 10  # one of so many documents or sentences is for evaluation
_SEED = 2021
_SENTIMENT_TASK = """\
kind = "regression"
label_range = [-4, 4]

[files]
train = "train.tsv"
dev = "dev.tsv"

[columns]
text = "text"
label = "score"
"""

T = TypeVar("T")


def lay_out(plan: TaskPlan, sources: Path, folder: Path) -> None:
    """Writes the files of a task, unless they are there.

    Args:
      plan: which task, and how much of it.
      sources: the published files; docs/finetuning.md lists them.
      folder: of the task; made here.

    Raises:
      InputError: a file is missing.
    """
    if folder.exists():
        return
    try:
        with new_directory(folder) as temporary:
            if plan.name in _GLUE:
                _lay_out_glue(plan, sources, temporary)
            else:
                _LAYOUTS[plan.name](plan, sources, temporary)
    except OSError as error:
        raise InputError(f"{plan.name}: {error.filename}: {reason(error)}") from error


def some(items: Sequence[T], count: int) -> list[T]:
    """`count` of the items, drawn without order but kept in order; always the same ones."""
    drawn = np.random.default_rng(_SEED).permutation(len(items))[:count]
    return [items[index] for index in sorted(drawn)]


def _lay_out_glue(plan: TaskPlan, sources: Path, folder: Path) -> None:
    name, has_header = _GLUE[plan.name]
    for split, count in (("train", plan.num_train), ("dev", plan.num_dev)):
        lines = _lines(sources / "glue" / name / f"{split}.tsv")
        header, rows = (lines[:1], lines[1:]) if has_header else ([], lines)
        _write(folder / f"{split}.tsv", [*header, *some(rows, count)])


def _lay_out_sentiment(plan: TaskPlan, sources: Path, folder: Path) -> None:
    header, *rows = _lines(sources / "sentiment" / "movieReviewSnippets.tsv")
    for split, part in zip(("dev", "train"), divide(rows), strict=True):
        count = plan.num_dev if split == "dev" else plan.num_train
        _write(folder / f"{split}.tsv", [header, *some(part, count)])
    replace_file(folder / "task.toml", _SENTIMENT_TASK)


def _lay_out_brown(plan: TaskPlan, sources: Path, folder: Path) -> None:
    dev, train = divide(list(brown_documents(_lines(sources / "brown_tagged.txt.gz"))))
    for split, documents, count in (("dev", dev, plan.num_dev), ("train", train, plan.num_train)):
        sentences = [sentence for document in documents for sentence in document]
        chosen = some(sentences, count)
        _write(folder / f"{split}.txt", ["\n".join(sentence) + "\n" for sentence in chosen])


def _lay_out_squad(plan: TaskPlan, sources: Path, folder: Path) -> None:
    for split, count in (("train", plan.num_train), ("dev", plan.num_dev)):
        document = json.loads("".join(_lines(sources / "squad" / f"{split}.json.gz")))
        replace_file(folder / f"{split}.json", json.dumps(some_questions(document, count)))


_LAYOUTS = {"sentiment": _lay_out_sentiment, "pos": _lay_out_brown, "squadv1": _lay_out_squad}


def divide(items: Sequence[T]) -> tuple[list[T], list[T]]:
    """A tenth for evaluation, and the rest to train on; both in order, always the same."""
    indices = range(len(items))
    dev = set(some(indices, len(items) // _DEV_SHARE))
    return [items[i] for i in indices if i in dev], [items[i] for i in indices if i not in dev]


def brown_documents(lines: Iterable[str]) -> Iterator[list[list[str]]]:
    """The documents of the Brown corpus as sentences of `word tag` lines, with simplified tags.

    Args:
      lines: a word and its tag each, a blank line after a sentence, `# file` before a document.
    """
    document: list[list[str]] = []
    sentence: list[str] = []
    for line in [*lines, "# file"]:
        if line.startswith("# file"):
            if document:
                yield document
            document, sentence = [], []
        elif line:
            word, tag = line.split(" ")
            if not sentence:
                document.append(sentence)
            sentence.append(f"{word} {simple_tag(tag)}")
        else:
            sentence = []


def simple_tag(tag: str) -> str:
    """A tag of the Brown corpus without what it adds: titles, headlines, possession, contractions.

    `np$-tl` becomes `np`, `ppss+md` `ppss`, `.-hl` `.`; every foreign word is `fw`.
    """
    letters = re.match(r"[a-z]+", tag)
    return letters[0] if letters else tag.split("-")[0] or tag


def some_questions(document: dict[str, Any], count: int) -> dict[str, Any]:
    """`count` of the questions of a document in SQuAD's format, with their paragraphs."""
    ids = [
        question["id"]
        for article in document["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]
    kept = set(some(ids, count))
    articles = []
    for article in document["data"]:
        paragraphs = []
        for paragraph in article["paragraphs"]:
            questions = [question for question in paragraph["qas"] if question["id"] in kept]
            if questions:
                paragraphs.append({**paragraph, "qas": questions})
        if paragraphs:
            articles.append({**article, "paragraphs": paragraphs})
    return {**document, "data": articles}


def _lines(path: Path) -> list[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="\n") as file:
        return [line.rstrip("\r\n") for line in file]


def _write(path: Path, lines: Iterable[str]) -> None:
    replace_file(path, "".join(f"{line}\n" for line in lines))
