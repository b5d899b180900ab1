"""What each kind of model answers: from texts to rows of token ids, and from outputs to answers."""

import functools
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .runtimes import Arrays

if TYPE_CHECKING:
    from . import Predictor

Row = tuple[list[int], list[int]]  # token ids and segment ids
Answers = Iterator[dict[str, Any]]
Run = Callable[[str, Sequence[Row]], list[Arrays]]

DEFAULT = "serving_default"
"""The signature that is asked for if none is named."""
_MASK = "[MASK]"
_WORD = re.compile(r"[^ \t\n\v\f\r]+")
_NO_SPAN = -2000.0  # lower than the score of any span


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


def _network(model: "Predictor", items: Sequence, run: Run) -> list[Arrays]:
    """The outputs for texts, or for pairs of texts."""
    if not model.config["paired"]:
        rows = [model.row(ids) for ids in model.ids([_valid(text) for text in items])]
    else:
        columns = zip(*_pairs(items, "text, text_pair"), strict=True)
        rows = list(map(model.row, *(model.ids(column) for column in columns)))
    return run("predict_ids", rows)


def _classify(model: "Predictor", items: Sequence, run: Run) -> Answers:
    for outputs in _network(model, items, run):
        likely, labels = outputs["probabilities"], model.config["labels"]
        best = int(likely.argmax())
        yield {"label": labels[best] if labels else str(best), "probabilities": likely.copy()}


def _rate(model: "Predictor", items: Sequence, run: Run) -> Answers:
    yield from ({"value": float(outputs["value"])} for outputs in _network(model, items, run))


def _tag(model: "Predictor", items: Sequence, run: Run) -> Answers:
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


def _by_token(signature: str, model: "Predictor", items: Sequence, run: Run) -> Answers:
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


def _fill(model: "Predictor", items: Sequence, run: Run) -> Answers:
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


def _answer(model: "Predictor", items: Sequence, run: Run) -> Answers:
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


_EMBED = ("predict_ids", functools.partial(_by_token, "predict_ids"))
_JUDGE = ("replaced_tokens_ids", functools.partial(_by_token, "replaced_tokens_ids"))
_ENCODER: dict[str, tuple[str, Callable]] = {DEFAULT: _EMBED, "embed": _EMBED}
ANSWERS: dict[str, dict[str, tuple[str, Callable]]] = {
    "classifier": {DEFAULT: ("predict_ids", _classify)},
    "regressor": {DEFAULT: ("predict_ids", _rate)},
    "tagger": {DEFAULT: ("predict_ids", _tag)},
    "span_predictor": {DEFAULT: ("predict_ids", _answer)},
    "encoder": _ENCODER,
    "pretrained": _ENCODER | {"fill_mask": ("fill_mask_ids", _fill), "replaced_tokens": _JUDGE},
}
"""Kind -> signature -> the signature of token ids that it needs, and what answers."""
