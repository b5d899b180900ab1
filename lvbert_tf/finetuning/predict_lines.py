"""Predicting for lines of text: a line in, a JSON object out."""

import contextlib
import io
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import TextIO

import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.learning.prediction import Predictor
from lvbert_tf.finetuning.learning.tuned_model import load_tuned_model
from lvbert_tf.finetuning.line_requests import LineFormat, RequestReader
from lvbert_tf.finetuning.results.trial_directory import TrialDirectory
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.finetuning.task_examples import RowLocation
from lvbert_tf.finetuning.tasks.lines import number_lines, read_raw_lines
from lvbert_tf.finetuning.tasks.registry import find_task
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.whole import new_text_file
from lvbert_tf.settings.user_hparams import load_hparams

STANDARD = "-"  # for standard input and output
# Lines are read, predicted and written in portions, so that a pipe of any length works.
_LINES_AT_ONCE = 1024
# Some readers, such as Python's splitlines, also end a line at these characters.
_LINE_ENDS = str.maketrans({end: f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"})


def predict_lines(
    data_dir: str,
    model_name: str,
    hparams: str,
    source: str,
    target: str,
    trial: int,
    task_name: str | None = None,
    line_format: LineFormat = "auto",
) -> int:
    """Predicts with the model of a trial; `run_finetuning.py --help` explains the arguments.

    Returns:
      the exit code, 0.

    Raises:
      InputError: bad arguments, no such model, or a line that cannot be read, by its number. It is
        raised before anything is predicted, unless the lines come through a pipe.
    """
    config = FinetuningConfig.create(data_dir, model_name, load_hparams(hparams))
    task = find_task(_choose_task(config.task_names.names, task_name), data_dir)
    lines = _open_source(source)
    with _open_target(target) as file:
        directory = TrialDirectory(config.models_dir, str(config.task_names), trial, config.seed)
        objective = load_tuned_model(task, directory)
        # Only models of texts have this attribute.
        paired = bool(getattr(objective.model.preprocessor, "paired", False))
        reader = RequestReader(task.kind, paired, line_format)
        if source != STANDARD and parse_path(source).is_file():
            for number, line in _open_source(source):
                reader.read(line, RowLocation(source, number))
        predictor = Predictor(
            tf.distribute.get_strategy(), objective, config.prediction, quiet=True
        )
        while portion := list(islice(lines, _LINES_AT_ONCE)):
            requests = [reader.read(line, RowLocation(source, number)) for number, line in portion]
            predicted = predictor.predict([request.example for request in requests], "test", source)
            assert predicted is not None  # nothing stops it
            for request, prediction in zip(requests, predicted.predictions, strict=True):
                answer = json.dumps(request.answer(prediction), ensure_ascii=False)
                file.write(answer.translate(_LINE_ENDS) + "\n")
            file.flush()
    return 0


def _choose_task(names: Sequence[str], wanted: str | None) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is None:
        raise InputError(
            f"--predict: the model has learned {', '.join(names)}; say with --task for which of them"
            " to predict. To use a model that has learned one task alone, name no other in task_names"
        )
    if wanted not in names:
        raise InputError(f"--task {wanted} is not one of task_names {', '.join(names)}")
    return wanted


def _open_source(source: str) -> Iterator[tuple[int, str]]:
    if source == STANDARD:
        if sys.stdin is None:
            raise InputError("--predict -: standard input is closed")
        return number_lines(sys.stdin.buffer, source)
    lines = number_lines(read_raw_lines(parse_path(source)), source)
    # Reading the first line opens the file, so that a bad one is refused before the model is loaded.
    first = list(islice(lines, 1))
    return chain(first, lines)


@contextlib.contextmanager
def _open_target(target: str) -> Iterator[TextIO]:
    if target != STANDARD:
        with new_text_file(target) as file:
            yield file
        return
    if sys.stdout is None:
        raise InputError("standard output is closed; name a file with --output")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as JSON is, whatever the terminal shows
    yield sys.stdout
