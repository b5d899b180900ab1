"""Requests: the lines of text or JSON for which a model is asked to predict."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.task_examples import Question, RowLocation, TaggedSentence, TextExample
from lvbert_tf.finetuning.tasks.bad_rows import BadRows, RowError, shown
from lvbert_tf.finetuning.tasks.lines import checked_text
from lvbert_tf.finetuning.tasks.rows import parse_json
from lvbert_tf.finetuning.tasks.task import Example, Kind
from lvbert_tf.finetuning.tasks.text_examples import check_pair
from lvbert_tf.text.sentence_words import words_of

LineFormat = Literal["auto", "text", "json"]
_KEYS: Mapping[Kind, tuple[str, ...]] = {
    "classification": ("text", "text_pair"),
    "regression": ("text", "text_pair"),
    "tagging": ("text", "words"),
    "span": ("question", "context"),
}
# Blanks and characters without width. A byte-order mark is inside a file where files were joined.
_BEFORE_JSON = re.compile(r"^[\s\ufeff\u200b-\u200f\u2060]+")


@dataclass(frozen=True)
class Request:
    """The content of a line.

    Args:
      example: the example to predict for.
      id: the user's name for it; None if the line has none.
    """

    example: Example
    id: str | int | float | None = None

    def answer(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        """The prediction under the id of the line, if it has one."""
        if self.id is None:
            return dict(prediction)
        # The id comes first, and replaces one that the prediction has.
        return {"id": self.id, **prediction} | {"id": self.id}


@dataclass(frozen=True)
class RequestReader:
    """Makes requests of lines.

    Args:
      kind: the kind of the model's task.
      paired: whether the model reads pairs of texts.
      line_format: "text" reads every line as a text, "json" every line as a JSON object; "auto" reads a
        line that begins with `{` as an object, and others as texts.

    Raises:
      InputError: the format is "text", but the model reads two texts at once.
    """

    kind: Kind
    paired: bool = False
    line_format: LineFormat = "auto"

    def __post_init__(self) -> None:
        if self.line_format == "text" and self._only_json:
            raise InputError(f"--predict_format text: a line is to be {self._expected}")

    def read(self, line: str, location: RowLocation) -> Request:
        """Makes the request of a line.

        Raises:
          InputError: the line must be a JSON object and is not; a key is missing, unexpected or has a
            value of another type; or the line has two texts and the model reads single ones, or the
            other way round.
        """
        with BadRows(advice="").at(location):
            given = self._parse(line)
            name = _checked_id(given.pop("id")) if "id" in given else None
            return Request(self._example(given, location), name)
        raise AssertionError("a bad line raises")

    @property
    def _only_json(self) -> bool:
        return self.kind == "span" or self.paired

    @property
    def _expected(self) -> str:
        if self.kind == "span":
            return '{"question": "...", "context": "..."}'
        if self.paired:
            return '{"text": "...", "text_pair": "..."}'
        return '{"words": ["...", "..."]}' if self.kind == "tagging" else '{"text": "..."}'

    def _parse(self, line: str) -> dict[str, Any]:
        text = _BEFORE_JSON.sub("", line)
        is_object = text.startswith("{")
        if self.line_format == "text" or not (
            is_object or self._only_json or self.line_format == "json"
        ):
            return {"text": line}
        if not is_object:
            found = f"no JSON object: {shown(line)}" if text else "a blank line"
            raise RowError(f"{found}; expected {self._expected}")
        try:
            return parse_json(text)
        except RowError as error:
            if self._only_json or self.line_format == "json":
                raise
            advice = "--predict_format text takes a line that begins with { as a text"
            raise RowError(f"{error}; {advice}") from error

    def _example(self, given: Mapping[str, Any], location: RowLocation) -> Example:
        unexpected = next((key for key in given if key not in _KEYS[self.kind]), None)
        if unexpected is not None:
            raise RowError(f"unexpected key {shown(unexpected)}; expected {self._expected}")
        if self.kind == "span":
            question, context = self._text(given, "question"), self._text(given, "context")
            return Question(str(location.place), question, context, (), (), False, location)
        if self.kind == "tagging":
            return TaggedSentence(self._words(given), None, location)
        pair = self._text(given, "text_pair") if "text_pair" in given else None
        example = TextExample(self._text(given, "text"), pair, None, location)
        check_pair(example, self.paired)
        return example

    def _text(self, given: Mapping[str, Any], key: str) -> str:
        if key not in given:
            raise RowError(f"{key} is missing; expected {self._expected}")
        return _checked_string(given[key], key)

    def _words(self, given: Mapping[str, Any]) -> tuple[str, ...]:
        if "words" not in given:
            return words_of(self._text(given, "text"))
        if "text" in given:
            raise RowError("text and words; give one of the two")
        words = given["words"]
        if not isinstance(words, list):
            raise RowError(f"words is {_described(words)}, not a list of strings")
        return tuple(_checked_string(word, f"words[{index}]") for index, word in enumerate(words))


def _checked_string(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise RowError(f'{what} is {_described(value)}, not a string; an empty one is ""')
    return checked_text(value, what)


def _checked_id(value: Any) -> str | int | float:
    if isinstance(value, str):
        return checked_text(value, "id")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RowError(f"id is {_described(value)}; it must be a string or a number")
    return value


def _described(value: Any) -> str:
    """A value in the words of JSON."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {shown(value)}"
        case list():
            return "a list"
        case dict():
            return "an object"
    return shown(value)
