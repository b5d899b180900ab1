"""What a task's files hold, as values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """Where an example stands, for messages: a file and its line, or its place in a JSON document."""

    file: str
    place: int | str

    def __str__(self) -> str:
        place = f"line {self.place}" if isinstance(self.place, int) else self.place
        return f"{self.file}, {place}"

    def to_json_dict(self) -> dict[str, int | str]:
        """Where in its file, as predictions say it: `{"line": 7}` or `{"place": "record 7"}`."""
        return {"line" if isinstance(self.place, int) else "place": self.place}


@dataclass(frozen=True, slots=True)
class TextExample:
    """A text, or a pair of texts, and what is to be predicted of it.

    Args:
      label: an index into the task's labels (classification), a number in the units of the file
        (regression), or None where the file has none, as in test files.
    """

    text: str
    text_pair: str | None
    label: int | float | None
    source: Source


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """Words and one tag for each, as the file has them; `tags` is None where it has none."""

    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    source: Source


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
      answers: every answer that counts as right; none for an unanswerable question and in test files.
      spans: where answers stand in the context, the one to train on first.
      impossible: whether the context is said to hold no answer.
    """

    id: str
    question: str
    context: str
    answers: tuple[str, ...]
    spans: tuple[Span, ...]
    impossible: bool
    source: Source
