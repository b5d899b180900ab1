"""Answers texts with an exported model, in the same way from each of its formats.

    from lvbert_tf.serving import load  # or copy this file, and: from predictor import load

    load("SERVING/sst/1")(["a fine film"])  # [{"label": "1", "probabilities": [0.1, 0.9]}]

This file needs numpy, tokenizers, and openvino or onnxruntime; TensorFlow only for a SavedModel. It
needs nothing else of its project, so it may be copied. docs/serving.md lists the answers.
"""

import functools
import importlib.util
import itertools
import json
import os
import re
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

Row = tuple[list[int], list[int]]  # token ids and segment ids
Arrays = Mapping[str, np.ndarray]
Answers = Iterator[dict[str, Any]]
Compute = Callable[[Arrays], Arrays]
Run = Callable[[str, Sequence[Row]], list[Arrays]]

_PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime", "savedmodel": "tensorflow"}
_DEFAULT, _MASK, _CAPABILITIES = "serving_default", "[MASK]", "OPTIMIZATION_CAPABILITIES"
_WORD = re.compile(r"[^ \t\n\v\f\r]+")
_BATCHES = 16  # whose texts are sorted by length together, or more where there are many threads
_BATCHES_A_THREAD = 4
# OpenVINO keeps so many primitives of a kind, one for each operation and shape. Of its own 5,000 a
# server of LV-BERT-small held 1.8 GB.
_PRIMITIVES = "1000"
_NO_SPAN = -2000.0  # lower than the score of any span


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
        files = {name: config["files"][name] for name in _PACKAGES if name in config["files"]}
        if config["format_version"] != 1 or config["kind"] not in _ANSWERS:
            raise ValueError("this predictor is older than what exported it")
        if any(Path(file).name != file for names in files.values() for file in names.values()):
            raise ValueError("it names files elsewhere")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{directory} is no version of an exported model: {error}") from error
    if format not in (None, *files):
        raise ValueError(f"{directory} has no format {format!r}, only {', '.join(files)}")
    wanted = [format] if format else list(files)
    there = [name for name in wanted if importlib.util.find_spec(_PACKAGES[name])]
    if not there:
        packages = " or ".join(f"pip install {_PACKAGES[name]}" for name in wanted)
        raise ImportError(f"nothing installed runs {directory}: {packages}")
    start = functools.partial(_ENGINES[there[0]], precision=config["precision"], threads=threads)
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
        answers = _ANSWERS[config["kind"]].items()
        self.signatures = {name: answer for name, (needed, answer) in answers if needed in files}

    def engine(self, name: str, many: bool = False) -> Compute:
        """What computes a signature of token ids; `many` says that batches are computed side by side.

        If the files are gone, as those of a version that a server has replaced, it is what was started.
        """
        return self._started(name, many and self._files[name].exists())

    def __call__(self, texts: Iterable, signature: str = _DEFAULT, batch_size: int = 32) -> list:
        """Answers texts; see `stream`."""
        return list(self.stream(texts, signature, batch_size))

    def stream(self, texts: Iterable, signature: str = _DEFAULT, batch_size: int = 32) -> Answers:
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
          ValueError: there is no such signature, or a text is not what the model takes.
        """
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


def _valid(text: Any) -> str:
    """The characters of a text, without those that no UTF-8 has."""
    if not isinstance(text, (str, bytes)):
        raise ValueError(f"expected a text, got {text!r}")
    raw = text.encode("utf-8", "ignore") if isinstance(text, str) else text
    return raw.decode("utf-8", "ignore")


def _pairs(items: Sequence, what: str) -> list[tuple[str, str]]:
    if wrong := [i for i in items if not isinstance(i, (tuple, list)) or len(i) != 2]:
        raise ValueError(f"expected pairs ({what}), got {wrong[0]!r}")
    return [(_valid(first), _valid(second)) for first, second in items]


def _after_marks(text: str, end: int) -> int:
    """The end of a token, with the accents after it, which the tokenizer removes."""
    for place in range(end, len(text)):
        category = unicodedata.category(text[place])
        if category == "Mn":
            end = place + 1
        elif text[place] != "\ufffd" and (category[0] != "C" or text[place] in "\t\n\r"):
            break
    return end


def _network(model: Predictor, items: Sequence, run: Run) -> list[Arrays]:
    """The outputs for texts, or for pairs of texts."""
    if not model.config["paired"]:
        rows = [model.row(ids) for ids in model.ids([_valid(text) for text in items])]
    else:
        columns = zip(*_pairs(items, "text, text_pair"), strict=True)
        rows = list(map(model.row, *(model.ids(column) for column in columns)))
    return run("predict_ids", rows)


def _classify(model: Predictor, items: Sequence, run: Run) -> Answers:
    for outputs in _network(model, items, run):
        likely, labels = outputs["probabilities"], model.config["labels"]
        best = int(likely.argmax())
        yield {"label": labels[best] if labels else str(best), "probabilities": likely.copy()}


def _rate(model: Predictor, items: Sequence, run: Run) -> Answers:
    yield from ({"value": float(outputs["value"])} for outputs in _network(model, items, run))


def _tag(model: Predictor, items: Sequence, run: Run) -> Answers:
    most = model.config["sequence_length"] - 2
    unknown = [model.config["special_tokens"]["[UNK]"]]
    rows, places, spans = [], [], []
    for text in map(_valid, items):
        words = list(itertools.islice(_WORD.finditer(text), most))
        pieces = [ids or unknown for ids in model.ids([word.group() for word in words])]
        firsts = np.cumsum([0, *map(len, pieces)])[:-1]
        places.append(1 + firsts[firsts < most])
        spans.append([word.span() for word in words[: len(places[-1])]])
        rows.append(model.row(list(itertools.chain(*pieces))))
    for outputs, at, span in zip(run("predict_ids", rows), places, spans, strict=True):
        likely = outputs["probabilities"][at]
        yield {
            "tags": [model.config["tags"][number] for number in likely.argmax(-1)],
            "probabilities": likely.max(-1),
            "starts": [start for start, _ in span],
            "ends": [end for _, end in span],
        }


def _by_token(signature: str, model: Predictor, items: Sequence, run: Run) -> Answers:
    """The outputs for each token, with its offsets, which are 0 for special tokens."""
    found = [model.ids_with_offsets(_valid(text)) for text in items]
    rows = [model.row(ids) for ids, _, _ in found]
    for (ids, _), offsets, outputs in zip(rows, found, run(signature, rows), strict=True):
        starts, ends = (np.array([0, *part[: len(ids) - 2], 0]) for part in offsets[1:])
        answer = {name: values[: len(ids)].copy() for name, values in outputs.items()}
        if "pooled" in outputs:
            answer["pooled"] = outputs["pooled"].copy()
        else:
            answer["probabilities"][ends == starts] = 0  # of special tokens they mean nothing
        yield {**answer, "starts": starts, "ends": ends}


def _fill(model: Predictor, items: Sequence, run: Run) -> Answers:
    mask = model.config["special_tokens"][_MASK]
    rows = []
    for text in items:
        parts = model.ids(_valid(text).split(_MASK))
        rows.append(model.row([*parts[0], *(i for part in parts[1:] for i in (mask, *part))]))
    for (ids, _), outputs in zip(rows, run("fill_mask_ids", rows), strict=True):
        at = np.flatnonzero(np.array(ids) == mask)
        yield {
            "tokens": [list(map(model.token, five)) for five in outputs["candidates"][at].tolist()],
            "probabilities": outputs["probabilities"][at],
        }


def _answer(model: Predictor, items: Sequence, run: Run) -> Answers:
    sizes = model.config
    pairs = _pairs(items, "question, context")
    rows: list[Row] = []
    asked = []  # for each question: its first row, first position, windows and offsets
    for (_, context), ids in zip(pairs, model.ids([q for q, _ in pairs]), strict=True):
        ids = ids[: sizes["max_query_length"]]
        tokens, *offsets = model.ids_with_offsets(context)
        room = sizes["sequence_length"] - len(ids) - 3
        step = min(room, sizes["doc_stride"])
        starts = np.arange(1 + -(-max(len(tokens) - room, 0) // step)) * step
        asked.append((context, len(rows), len(ids) + 2, starts, room, offsets))
        rows += [model.row(ids, tokens[start : start + room]) for start in starts]
    outputs = run("predict_ids", rows)
    for context, row, position, starts, room, (begins, ends) in asked:
        found = outputs[row : row + len(starts)]
        lengths = np.minimum(room, len(begins) - starts)
        score, first, last = _best_span(sizes, found, position, starts, lengths)
        start, end = (begins[first], ends[last]) if score > -np.inf else (-1, -1)
        answer = {"answer": context[max(start, 0) : max(end, 0)], "start": start, "end": end}
        answer["score"] = score
        if sizes["no_answer"] is not None:
            lowest = min(float(window["no_answer_score"]) for window in found)
            lowest -= max(score, _NO_SPAN) if sizes["no_answer"] == "span" else 0.0
            answerable = lowest <= sizes["no_answer_threshold"]
            answer |= {"no_answer_score": lowest, "answerable": answerable}
        yield answer


def _best_span(sizes: Mapping, found: Sequence[Arrays], position: int, starts, lengths):
    """The best span of a question's windows: its score, its first token in the context and its last.

    It counts only in the window where its first token has most context: the fewer of the tokens to its
    left and right; then the longer window, then the first one.
    """
    best = (-np.inf, 0, 0)
    beside = (sizes["sequence_length"] - 4) // sizes["doc_stride"]
    for row, outputs in enumerate(found):
        inside, last = outputs["starts"] - position, outputs["ends"] - position
        token = inside + starts[row]
        others = np.arange(max(row - beside, 0), min(row + beside + 1, len(found)))[:, np.newaxis]
        left = token - starts[others]
        smaller = np.minimum(left, lengths[others] - 1 - left)
        context = np.where(smaller < 0, -1, 100 * smaller + lengths[others])
        own = context[row - others[0, 0]]
        possible = (inside >= 0) & (inside < lengths[row]) & (own >= 0)
        possible &= np.where(others < row, context < own, context <= own).all(0)
        distance = last - inside[:, np.newaxis]
        possible = possible[:, np.newaxis] & (distance >= 0) & (last < lengths[row])
        possible &= distance < sizes["max_answer_length"]
        scores = outputs["start_scores"][:, np.newaxis] + outputs["end_scores"]
        scores = np.where(possible, scores, -np.inf)
        place = np.unravel_index(scores.argmax(), scores.shape)
        if scores[place] > best[0]:
            first = int(token[place[0]])
            best = (float(scores[place]), first, first + int(distance[place]))
    return best


def _openvino(file: Path, signature: str, precision: str, threads: int, many: bool) -> Compute:
    import openvino

    core = openvino.Core()
    half = precision == "bfloat16" and "BF16" in core.get_property("CPU", _CAPABILITIES)
    options = {"INFERENCE_PRECISION_HINT": "bf16" if half and _gains_by_bfloat16() else "f32"}
    options |= {"INFERENCE_NUM_THREADS": str(threads)} if threads else {}
    options |= {"PERFORMANCE_HINT": "THROUGHPUT" if many else "LATENCY"}
    options |= {"CPU_RUNTIME_CACHE_CAPACITY": _PRIMITIVES}
    compiled = core.compile_model(str(file), "CPU", options)
    of_thread = threading.local()

    def compute(inputs: Arrays) -> Arrays:
        if not hasattr(of_thread, "request"):
            of_thread.request = compiled.create_infer_request()
        found = of_thread.request.infer(inputs)
        return {name: value for port, value in found.items() for name in port.names}

    return compute


def _gains_by_bfloat16(cpuinfo: str = "/proc/cpuinfo") -> bool:
    """False for processors of Intel that have AVX512-BF16 without AMX: they lose by it."""
    path = Path(cpuinfo)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return "GenuineIntel" not in text or "amx_bf16" in text


def _onnx(file: Path, signature: str, precision: str, threads: int, many: bool) -> Compute:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1 if many else threads
    session = onnxruntime.InferenceSession(str(file), options, ["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


def _saved_model(file: Path, signature: str, precision: str, threads: int, many: bool) -> Compute:
    import tensorflow as tf

    if importlib.util.find_spec("tensorflow_text"):  # only one that reads strings needs it
        importlib.import_module("tensorflow_text")
    graph, each = tf.saved_model.load(str(file.parent)).signatures[signature], tf.nest.map_structure
    return lambda inputs: each(lambda out: out.numpy(), graph(**each(tf.constant, inputs)))


_ENGINES = {"openvino": _openvino, "onnx": _onnx, "savedmodel": _saved_model}
_EMBED = ("predict_ids", functools.partial(_by_token, "predict_ids"))
_JUDGE = ("replaced_tokens_ids", functools.partial(_by_token, "replaced_tokens_ids"))
_ENCODER: dict[str, tuple[str, Callable]] = {_DEFAULT: _EMBED, "embed": _EMBED}
# Kind -> signature -> the signature of token ids that it needs, and what answers.
_ANSWERS: dict[str, dict[str, tuple[str, Callable]]] = {
    "classifier": {_DEFAULT: ("predict_ids", _classify)},
    "regressor": {_DEFAULT: ("predict_ids", _rate)},
    "tagger": {_DEFAULT: ("predict_ids", _tag)},
    "span_predictor": {_DEFAULT: ("predict_ids", _answer)},
    "encoder": _ENCODER,
    "pretrained": _ENCODER | {"fill_mask": ("fill_mask_ids", _fill), "replaced_tokens": _JUDGE},
}
