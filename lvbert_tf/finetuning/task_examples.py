"""The examples of tasks as values: texts, tagged sentences and questions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowLocation:
    """The file that an example comes from, and its place there, for messages and prediction files.

    Args:
      file: path of the file, or the TFDS name of the split.
      place: the number of the line from 1, or text such as `data[0].paragraphs[3]` or `record 7`.
    """

    file: str
    place: int | str

    def __str__(self) -> str:
        place = f"line {self.place}" if isinstance(self.place, int) else self.place
        return f"{self.file}, {place}"

    def to_json_dict(self) -> dict[str, int | str]:
        """The place as prediction files have it: `{"line": 7}` or `{"place": "record 7"}`."""
        return {"line" if isinstance(self.place, int) else "place": self.place}


@dataclass(frozen=True, slots=True)
class TextExample:
    """A text or a pair of texts, with the label to predict.

    Args:
      label: an index into the task's classes (classification), a number in the units of the file
        (regression), or None where the file has no label, as in test files.
    """

    text: str
    text_pair: str | None
    label: int | float | None
    location: RowLocation


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """Words and one tag for each, as the file has them; `tags` is None where the file has none."""

    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    location: RowLocation


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `context[start:end]`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question on a context.

    Args:
      id: unique in its file; predictions are keyed by it.
      answers: every answer that counts as right; empty for an unanswerable question and in test files.
      spans: where the answers stand in the context; training uses the first one.
      impossible: whether the file says that the context holds no answer.
    """

    id: str
    question: str
    context: str
    answers: tuple[str, ...]
    spans: tuple[Span, ...]
    impossible: bool
    location: RowLocation
