"""Answering lines of text with a model: a line in, a JSON object out. This file needs no TensorFlow."""

import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Protocol, TextIO

from tqdm import tqdm

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.line_requests import LineFormat, Request, RequestReader
from lvbert_tf.finetuning.task_examples import RowLocation
from lvbert_tf.finetuning.tasks.lines import number_lines, read_raw_lines
from lvbert_tf.finetuning.tasks.task import Example, Kind
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.whole import new_text_file

STANDARD = "-"  # for standard input and output
# Lines are read, predicted and written in portions, so that the memory does not depend on their number.
# Within a portion lines of like length are computed together, so large ones are faster; but nobody
# sees an answer before all lines of its portion are read, and a pipe may be slow.
_LINES_AT_ONCE = 16_384
_LINES_OF_A_PIPE = 1_024
_SECONDS_WITHOUT_PROGRESS = 3
# Some readers, such as Python's splitlines, also end a line at these characters.
_LINE_ENDS = str.maketrans({end: f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"})


class LineModel(Protocol):
    """A model that predicts for the examples of lines.

    Attributes:
      kind: the kind of its task.
      paired: whether it reads pairs of texts.
    """

    @property
    def kind(self) -> Kind: ...

    @property
    def paired(self) -> bool: ...

    def predict(self, examples: Sequence[Example]) -> Sequence[Mapping[str, Any]]:
        """The prediction for each example, in JSON's types."""
        ...


def answer_lines(
    load: Callable[[], LineModel], source: str, target: str, line_format: LineFormat = "auto"
) -> None:
    """Answers every line of a file, of standard input or of a pipe, in their order.

    Args:
      load: loads the model; it is called when the source and the target are known to be usable.
      source: the path of the file, plain or compressed; "-" for standard input.
      target: the path of the file to write, which appears when it is complete; "-" for standard output.
      line_format: see `RequestReader`.

    Raises:
      InputError: the source cannot be read, the target cannot be written, or a line is no request for
        this model, by its number. It is raised before anything is predicted, unless the lines come
        through a pipe.
    """
    lines = _open_source(source)
    with _open_target(target) as file:
        model = load()
        reader = RequestReader(model.kind, model.paired, line_format)
        count, at_once = None, _LINES_OF_A_PIPE
        if source != STANDARD and parse_path(source).is_file():
            at_once = _LINES_AT_ONCE
            for count, line in _open_source(source):
                reader.read(line, RowLocation(source, count))
        with tqdm(
            total=count, desc=source, unit="line", delay=_SECONDS_WITHOUT_PROGRESS, disable=None
        ) as bar:
            error = None
            while error is None:
                requests, error = _read_portion(reader, islice(lines, at_once), source)
                if not requests:
                    break
                predictions = model.predict([request.example for request in requests])
                for request, prediction in zip(requests, predictions, strict=True):
                    answer = json.dumps(request.answer(prediction), ensure_ascii=False)
                    file.write(answer.translate(_LINE_ENDS) + "\n")
                file.flush()
                bar.update(len(requests))
            if error is not None:
                raise error


def _read_portion(
    reader: RequestReader, lines: Iterable[tuple[int, str]], source: str
) -> tuple[list[Request], InputError | None]:
    """The requests of lines up to the first bad one, and what is wrong with that one."""
    requests = []
    try:
        for number, line in lines:
            requests.append(reader.read(line, RowLocation(source, number)))
    except InputError as error:
        return requests, error
    return requests, None


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
