"""A user's own task: a folder with a `task.toml` and the files that it names."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from lvbert_tf import hparams
from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.metrics.classification import CLASSIFICATION_METRICS
from lvbert_tf.finetuning.metrics.question_answering import SPAN_METRICS, UNANSWERABLE_METRICS
from lvbert_tf.finetuning.metrics.regression import REGRESSION_METRICS
from lvbert_tf.finetuning.metrics.tagging import ENTITY_METRICS, WORD_METRICS
from lvbert_tf.finetuning.tasks.custom_readers import COLUMNS, example_reader, is_csv
from lvbert_tf.finetuning.tasks.rows import Column
from lvbert_tf.finetuning.tasks.tag_schemes import EntityTags, TagScheme, WordTags
from lvbert_tf.finetuning.tasks.task import (
    DEFAULT_EPOCHS,
    DEFAULT_LENGTHS,
    Kind,
    Role,
    Task,
    TaskSplit,
)
from lvbert_tf.finetuning.tasks.task_file import TaskFile
from lvbert_tf.finetuning.tasks.text_examples import ClassLabels
from lvbert_tf.io.paths import under
from lvbert_tf.settings.user_hparams import load_hparams

TASK_FILE = "task.toml"

_ONLY_FOR = {
    "labels": ("classification", "tagging"),
    "label_range": ("regression",),
    "tag_scheme": ("tagging",),
    "comment": ("tagging",),
    "unanswerable": ("span",),
    "answer_rule": ("span",),
    "unordered": ("classification", "regression"),
}


def custom_task(name: str, folder: Path) -> Task:
    """The task that the `task.toml` of a folder describes. Reads no other file.

    Raises:
      InputError: the file is missing, is not TOML, or has an illegal value. The message names the file
        and the key.
    """
    path = folder / TASK_FILE
    keys = load_hparams(str(path))
    try:
        return _make_task(name, folder, hparams.build(TaskFile, keys))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _make_task(name: str, folder: Path, settings: TaskFile) -> Task:
    kind = cast(Kind, settings.kind)
    defaults = hparams.hparam_fields(TaskFile)
    for key, kinds in _ONLY_FOR.items():
        if getattr(settings, key) != defaults[key].default and kind not in kinds:
            raise InputError(f"{key} is for {' and '.join(kinds)}, not for {kind}")
    _check_columns(kind, settings.columns.given())
    if settings.unordered and settings.columns.text_pair is None:
        raise InputError("unordered needs columns.text_pair")
    files = settings.files
    named: dict[Role, str | None] = {"train": files.train, "dev": files.dev, "test": files.test}
    if settings.multiline and not any(map(is_csv, filter(None, named.values()))):
        raise InputError("multiline is for CSV files, of which there are none")
    classes = label_range = tag_scheme = None
    if kind == "classification":
        if settings.labels is None:
            raise InputError("labels is missing: the classes, in any order that will not change")
        classes = ClassLabels(settings.labels.names)
    elif kind == "regression":
        if settings.label_range is None:
            raise InputError("label_range is missing: [least, greatest] label")
        label_range = settings.label_range
    elif kind == "tagging":
        tag_scheme = _tag_scheme(settings)
    splits: dict[str, TaskSplit] = {}
    for role, file in named.items():
        if file is not None:
            location = file if file.startswith("tfds:") else str(under(folder, file))
            read = example_reader(settings, role, location, classes or label_range, tag_scheme)
            splits[role] = TaskSplit(role, location, read)
    return Task(
        name=name,
        kind=kind,
        splits=splits,
        metrics=_metrics(settings),
        classes=classes,
        label_range=label_range,
        tag_scheme=tag_scheme,
        unanswerable=settings.unanswerable,
        answer_rule=settings.answer_rule,
        unordered=settings.unordered,
        num_train_epochs=settings.num_train_epochs or DEFAULT_EPOCHS[kind],
        max_seq_length=settings.max_seq_length or DEFAULT_LENGTHS[kind],
    )


def _check_columns(kind: str, given: Mapping[str, Column]) -> None:
    required, further = COLUMNS[kind]
    for column in given:
        if column not in required + further:
            allowed = " | ".join(required + further)
            raise InputError(f"columns.{column} is not for {kind}; use {allowed}")


def _tag_scheme(settings: TaskFile) -> TagScheme:
    names = settings.labels.names if settings.labels else None
    return EntityTags(names) if settings.tag_scheme == "entities" else WordTags(names)


def _metrics(settings: TaskFile) -> tuple[str, ...]:
    """The metrics of the kind of task, the main one first."""
    match settings.kind:
        case "classification":
            two = settings.labels is not None and len(settings.labels.names) == 2
            available = tuple(name for name in CLASSIFICATION_METRICS if two or name != "f1")
        case "regression":
            available = REGRESSION_METRICS
        case "tagging":
            available = ENTITY_METRICS if settings.tag_scheme == "entities" else WORD_METRICS
        case _:
            available = UNANSWERABLE_METRICS if settings.unanswerable else SPAN_METRICS
    main = settings.metric or available[0]
    if main not in available:
        raise InputError(f"metric {main!r} is not one of {' | '.join(available)}")
    return (main, *(name for name in available if name != main))
