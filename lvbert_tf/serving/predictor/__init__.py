"""Answers texts with an exported model, in the same way from each of its formats.

    from lvbert_tf.serving import load  # or copy this folder, and: from predictor import load

    load("SERVING/sst/1")(["a fine film"])  # [{"label": "1", "probabilities": [0.1, 0.9]}]

This folder needs numpy, tokenizers, and openvino or onnxruntime; TensorFlow only for a SavedModel. It
needs nothing else of its project, so it may be copied. docs/serving.md lists the answers, which
`answers` makes of what `runtimes` computes.
"""

import functools
import importlib.util
import itertools
import json
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tokenizers

from .answers import ANSWERS, DEFAULT, Answers, Row
from .runtimes import PACKAGES, RUNTIMES, Arrays, Compute

_BATCHES = 16  # whose texts are sorted by length together, or more where there are many threads
_BATCHES_A_THREAD = 4


def load(directory: str | Path, format: str | None = None, threads: int = 0) -> "Predictor":
    """Loads a version of an exported model.

    Args:
      directory: `SERVING/NAME/VERSION`.
      format: "openvino", "onnx" or "savedmodel"; None means the first that is there and installed.
      threads: how many threads compute; 0 leaves it to the engine. TensorFlow has its own.

    Raises:
      ValueError: the directory is no exported model, or lacks the format.
      ImportError: no package for the format is installed.
    """
    directory = Path(directory)
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        files = {name: config["files"][name] for name in PACKAGES if name in config["files"]}
        if config["format_version"] != 1 or config["kind"] not in ANSWERS:
            raise ValueError("this predictor is older than what exported it")
        if any(Path(file).name != file for names in files.values() for file in names.values()):
            raise ValueError("it names files elsewhere")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{directory} is no version of an exported model: {error}") from error
    if format not in (None, *files):
        raise ValueError(f"{directory} has no format {format!r}, only {', '.join(files)}")
    wanted = [format] if format else list(files)
    there = [name for name in wanted if importlib.util.find_spec(PACKAGES[name])]
    if not there:
        packages = " or ".join(f"pip install {PACKAGES[name]}" for name in wanted)
        raise ImportError(f"nothing installed runs {directory}: {packages}")
    start = functools.partial(RUNTIMES[there[0]], precision=config["precision"], threads=threads)
    # TensorFlow's threads take what is to be done from any batch.
    at_once = 1 if there[0] == "savedmodel" else threads or _cores()
    return Predictor(directory, config, files[there[0]], start, at_once)


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Predictor:
    """Answers texts, from several threads at once; `signatures` are what it can be asked for."""

    def __init__(
        self, directory: Path, config: Mapping, files: Mapping, start: Callable, at_once: int
    ):
        self.config, self._at_once = config, at_once
        self._files = {name: directory.absolute() / file for name, file in files.items()}
        self._started = functools.cache(
            lambda name, many: start(self._files[name], name, many=many)
        )
        self._library = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.token = self._library.id_to_token
        answers = ANSWERS[config["kind"]].items()
        self.signatures = {name: answer for name, (needed, answer) in answers if needed in files}

    def engine(self, name: str, many: bool = False) -> Compute:
        """What computes a signature of token ids; `many` says that batches are computed side by side.

        If the files are gone, as those of a version that a server has replaced, it is what was started.
        """
        return self._started(name, many and self._files[name].exists())

    def __call__(self, texts: Iterable, signature: str = DEFAULT, batch_size: int = 32) -> list:
        """Answers texts; see `stream`."""
        return list(self.stream(texts, signature, batch_size))

    def stream(self, texts: Iterable, signature: str = DEFAULT, batch_size: int = 32) -> Answers:
        """Answers any number of texts, a few hundred at a time, in their order.

        The first few hundred are computed one batch after the other, each by all threads, which is the
        fastest for one batch. If many follow, another engine is started, which computes several batches
        at a time, each with fewer threads, so that they wait less for each other.

        Args:
          texts: strings; or UTF-8, whose invalid bytes are dropped. A model of pairs takes tuples,
            a span predictor (question, context).
          signature: what is asked for, e.g. "fill_mask".
          batch_size: how many rows are computed at once.

        Yields:
          for each text the outputs of the signature, by name, without padding.

        Raises:
          ValueError: there is no such signature, a text is not what the model takes, or a batch would
            have no row.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size: expected 1 or more, got {batch_size}")
        if isinstance(texts, (str, bytes)):
            raise ValueError("expected a list of texts, got a single one")
        if signature not in self.signatures:
            raise ValueError(f"no signature {signature!r}: {', '.join(self.signatures)}")
        rest, portion, many = iter(texts), batch_size * _BATCHES, False
        with ThreadPoolExecutor(self._at_once) as pool:
            while some := list(itertools.islice(rest, portion)):
                many &= len(some) == portion  # what is left at the end may be little
                run = functools.partial(self._run, batch_size, many, pool.map if many else map)
                yield from self.signatures[signature](self, some, run)
                many = self._at_once > 1
                portion = batch_size * max(_BATCHES, _BATCHES_A_THREAD * self._at_once)

    def _run(
        self, batch_size: int, many: bool, apply: Callable, signature: str, rows: Sequence[Row]
    ) -> list[Arrays]:
        """The outputs of the network for each row. Rows of like length are computed together."""
        outputs: list[Arrays] = [{}] * len(rows)
        # The longest first: at the end, no thread waits long for another.
        by_length = sorted(range(len(rows)), key=lambda row: -len(rows[row][0]))
        batches = [by_length[at : at + batch_size] for at in range(0, len(rows), batch_size)]
        inputs = (self._inputs([rows[row] for row in batch]) for batch in batches)
        for batch, found in zip(batches, apply(self.engine(signature, many), inputs), strict=True):
            for place, row in enumerate(batch):
                outputs[row] = {name: values[place] for name, values in found.items()}
        return outputs

    def _inputs(self, rows: Sequence[Row]) -> Arrays:
        """The inputs of the network for a batch, whose first row is the longest one."""
        length = padded_length(len(rows[0][0]), self.config["sequence_length"])
        inputs = np.zeros([3, len(rows), length], np.int32)
        for place, (ids, segments) in enumerate(rows):
            for column, values in zip(inputs[:, place], (ids, segments, 1), strict=True):
                column[: len(ids)] = values
        return dict(zip(self.config["inputs"], inputs, strict=True))

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of texts, without special tokens."""
        return [e.ids for e in self._library.encode_batch_fast(texts, add_special_tokens=False)]

    def ids_with_offsets(self, text: str) -> tuple[list[int], list[int], list[int]]:
        """The token ids of a text, and where each token starts and ends in it, in characters."""
        found = self._library.encode(text, add_special_tokens=False)
        ends = [end for _, end in found.offsets]
        if self.config["strip_accents"] and not text.isascii():
            ends = [_after_marks(text, end) for end in ends]
        return found.ids, [start for start, _ in found.offsets], ends

    def row(self, first: list[int], second: list[int] | None = None) -> Row:
        """`[CLS] first [SEP] second [SEP]`; the longer one is cut if they are too long."""
        special = self.config["special_tokens"]
        room = self.config["sequence_length"] - (2 if second is None else 3)
        length = min(len(first), max(room - len(second or ()), room - room // 2))
        ids = [special["[CLS]"], *first[:length], special["[SEP]"]]
        tail = [] if second is None else [*second[: room - length], special["[SEP]"]]
        return [*ids, *tail], [0] * len(ids) + [1] * len(tail)


def padded_length(longest: int, most: int) -> int:
    """The length that a batch is padded to: of few lengths, as engines keep memory for each shape.

    A multiple of 2 from 17 tokens on, of 4 from 33, of 8 from 65, and so on: an eighth more at most.

    Args:
      longest: tokens of the longest row.
      most: tokens that the model takes at most.
    """
    step = 1 << max(0, (longest - 1).bit_length() - 4)
    return min(-(-longest // step) * step, most)


def _after_marks(text: str, end: int) -> int:
    """The end of a token, with the accents after it, which the tokenizer removes."""
    for place in range(end, len(text)):
        category = unicodedata.category(text[place])
        if category == "Mn":
            end = place + 1
        elif text[place] != "\ufffd" and (category[0] != "C" or text[place] in "\t\n\r"):
            break
    return end
