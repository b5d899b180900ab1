"""Predicting for lines of text: a line in, a JSON object out."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import tensorflow as tf

from lvbert_tf.errors import InputError, reason
from lvbert_tf.finetuning.bad_rows import BadRows, RowError, shown
from lvbert_tf.finetuning.evaluation import TaskPredictor
from lvbert_tf.finetuning.examples import Question, Source, TaggedSentence, TextExample
from lvbert_tf.finetuning.lines import checked_text
from lvbert_tf.finetuning.registry import find_task
from lvbert_tf.finetuning.rows import parse_json
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.finetuning.task import Example, Kind
from lvbert_tf.finetuning.trial_directory import TrialDirectory
from lvbert_tf.finetuning.tuned_model import load_tuned_model
from lvbert_tf.hparams import load_hparams

STANDARD = "-"  # for standard input and output
# Lines are read, predicted and written in portions, so that a pipe of any length works.
_LINES_AT_ONCE = 1024
_KEYS = {
    "classification": ("text", "text_pair"),
    "regression": ("text", "text_pair"),
    "tagging": ("text", "words"),
    "span": ("question", "context"),
}


def predict_lines(
    data_dir: str, model_name: str, hparams: str, source: str, target: str, trial: int
) -> int:
    """Predicts with the model of a trial; `run_finetuning.py --help` explains the arguments.

    Returns:
      the exit code, 0.

    Raises:
      InputError: bad arguments, no such model, or a line that cannot be read, by its number.
    """
    config = FinetuningConfig.create(data_dir, model_name, load_hparams(hparams))
    if len(config.task_names.names) != 1:
        raise InputError(f"--predict needs one task, not task_names {config.task_names}")
    task = find_task(config.task_names.names[0], data_dir)
    objective = load_tuned_model(task, TrialDirectory(config, trial))
    predictor = TaskPredictor(tf.distribute.get_strategy(), objective, config, quiet=True)
    with ExitStack() as stack:
        lines = _read_lines(_open_source(source, stack))
        write = _open_target(target, stack)
        while portion := list(islice(lines, _LINES_AT_ONCE)):
            examples = [
                parse_line(task.kind, line, Source(source, number)) for number, line in portion
            ]
            predicted = predictor.predict(examples, "test", source)
            assert predicted is not None  # nothing stops it
            for prediction in predicted.predictions:
                write.write(json.dumps(prediction, ensure_ascii=False) + "\n")
            write.flush()
    return 0


def parse_line(kind: Kind, line: str, source: Source) -> Example:
    """Makes the example of a line.

    Args:
      kind: of the task.
      line: a JSON object if it begins with `{`, otherwise a text.
      source: for messages.

    Raises:
      InputError: it is no JSON, has other keys than the kind has, or lacks one.
    """
    with BadRows(advice="").at(source):
        given = _parse(kind, line)
        if kind == "span":
            return Question(
                str(source.place), given["question"], given["context"], (), (), False, source
            )
        if kind == "tagging":
            words = given["words"] if "words" in given else given["text"].split()
            return TaggedSentence(tuple(words), None, source)
        return TextExample(given["text"], given.get("text_pair"), None, source)
    raise AssertionError("a bad line raises")


def _parse(kind: Kind, line: str) -> dict[str, Any]:
    keys = _KEYS[kind]
    given = parse_json(line) if line.startswith("{") else {"text": line}
    unknown = [key for key in given if key not in keys]
    if unknown:
        raise RowError(f"unexpected {shown(unknown[0])}; {kind} reads {' and '.join(keys)}")
    required = keys if kind == "span" else ("words",) if "words" in given else ("text",)
    for key in required:
        if key not in given:
            raise RowError(f"{key} is missing; {kind} reads {' and '.join(keys)}")
    for key, value in given.items():
        if key == "words":
            if not isinstance(value, list) or not value:
                raise RowError(f"words is no list of words: {shown(value)}")
            for word in value:
                checked_text(word, "word")
        else:
            checked_text(value, key)
    return given


def _open_source(source: str, stack: ExitStack) -> BinaryIO:
    if source == STANDARD:
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(source).open("rb"))
    except OSError as error:
        raise InputError(f"--predict {source}: {reason(error)}") from error


def _open_target(target: str, stack: ExitStack) -> TextIO:
    if target == STANDARD:
        return sys.stdout
    try:
        return stack.enter_context(Path(target).open("x", encoding="utf-8"))
    except FileExistsError:
        raise InputError(f"--output {target} exists; move it away, or name another file") from None
    except OSError as error:
        raise InputError(f"--output {target}: {reason(error)}") from error


def _read_lines(stream: BinaryIO) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(stream, start=1):
        yield number, line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
