"""A part of a task's training set, held out from it to choose by."""

import json
from collections.abc import Sequence
from pathlib import Path

from experiments.finetuning.sources import divide, some, some_questions
from lvbert_tf.io.whole import new_directory, replace_file


def hold_out(task: Path, folder: Path, most: int) -> None:
    """Divides the training set of a task into one to train on and one to evaluate on.

    Args:
      task: the folder of the task.
      folder: of the new task, which has the same name; nothing is done if it is there.
      most: rows of the training set that are taken at most.
    """
    if folder.exists():
        return
    with new_directory(folder) as temporary:
        for file in task.glob("task.toml"):
            replace_file(temporary / file.name, file.read_text(encoding="utf-8"))
        (train,) = task.glob("train.*")
        text = train.read_text(encoding="utf-8")
        for split, content in zip(("dev", "train"), _parts(train, text, most), strict=True):
            replace_file(temporary / f"{split}{train.suffix}", content)


def _parts(file: Path, text: str, most: int) -> tuple[str, str]:
    """(a tenth, the rest) of a training set in the format of its file."""
    if file.suffix == ".json":
        return _of_questions(text, most)
    if file.suffix == ".txt":  # sentences, with a line between them
        return _of_rows(
            [f"{sentence}\n\n" for sentence in text.split("\n\n") if sentence.strip()], most
        )
    lines = [f"{line}\n" for line in text.split("\n") if line]
    # CoLA's file alone has no line of titles.
    titles, rows = ("", lines) if file.parent.name == "cola" else (lines[0], lines[1:])
    dev, train = _of_rows(rows, most)
    return titles + dev, titles + train


def _of_rows(rows: Sequence[str], most: int) -> tuple[str, str]:
    dev, train = divide(some(rows, most))
    return "".join(dev), "".join(train)


def _of_questions(text: str, most: int) -> tuple[str, str]:
    document = some_questions(json.loads(text), most)
    paragraphs = [
        {**article, "paragraphs": [paragraph]}
        for article in document["data"]
        for paragraph in article["paragraphs"]
    ]
    dev, train = divide(paragraphs)
    return json.dumps({**document, "data": dev}), json.dumps({**document, "data": train})
