"""Writing the files of tasks, and reading them."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.tasks.registry import find_task
from lvbert_tf.finetuning.tasks.task import Task


def task_with(data_dir: Path, name: str, files: Mapping[str, str | bytes]) -> Task:
    """The task of a name, with files of this content in its folder."""
    folder = data_dir / "finetuning_data" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        content = content.encode() if isinstance(content, str) else content
        (folder / file).write_bytes(gzip.compress(content) if file.endswith(".gz") else content)
    return find_task(name, data_dir)


def tsv(*rows: str) -> str:
    """Rows whose cells are divided by `|`, as tab-separated text."""
    return "".join(row.replace("|", "\t") + "\n" for row in rows)


def json_lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def texts_of(task: Task, split: str, skip_bad_rows: bool = False) -> list[tuple]:
    """(text, text_pair, label) of every example."""
    examples = task.read(split, skip_bad_rows).examples
    return [(example.text, example.text_pair, example.label) for example in examples]


def refusal(action, *arguments, **options) -> str:
    """The message of the InputError that a call raises; it must be one line."""
    with pytest.raises(InputError) as caught:
        action(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    message.encode()  # it can be printed
    return message


def toml(keys: str, columns: str = "", suffix: str = "tsv", test: bool = False) -> str:
    """A task.toml of these keys and tables, with files `train`, `dev` and perhaps `test` of a suffix."""
    splits = ("train", "dev", "test") if test else ("train", "dev")
    files = "".join(f'{split} = "{split}.{suffix}"\n' for split in splits)
    return f"{keys}\n[files]\n{files}{columns}"
