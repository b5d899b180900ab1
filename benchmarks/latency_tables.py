"""The tables of `serving_latency.py`, in Markdown, from what its drivers measured."""

from collections.abc import Sequence

import numpy as np

from benchmarks.contestant import Contestant

REFERENCES = ("PyTorch", "ONNX Runtime")


def milliseconds(run: Contestant, request: str) -> np.ndarray:
    """Of every answer to a request, of all rounds."""
    return 1e3 * np.concatenate([result["seconds"][request] for result in run.results])


def median(run: Contestant, request: str) -> float:
    """Milliseconds of an answer."""
    return float(np.median(milliseconds(run, request)))


def answered(run: Contestant, request: str) -> bool:
    """Whether it was asked that."""
    return request in run.results[0]["seconds"]


def setting(run: Contestant) -> str:
    """Precision and threads."""
    threads = run.results[0]["threads"]
    return f"{run.precision}, {threads} thread{'s' if threads > 1 else ''}"


def fastest(runs: Sequence[Contestant], request: str) -> list[Contestant]:
    """Of each implementation and layer string the setting with the smallest median, in order."""
    best: dict[tuple[str, str], Contestant] = {}
    for run in filter(lambda run: answered(run, request), runs):
        rival = best.setdefault((run.name, run.layers), run)
        if median(run, request) < median(rival, request):
            best[run.name, run.layers] = run
    return list(best.values())


def times(run: Contestant, other: Contestant, request: str) -> float:
    """How many times as fast as another: the median over rounds of the ratio of their medians."""
    own, others = (
        [np.median(result["seconds"][request]) for result in each.results] for each in (run, other)
    )
    return float(np.median(np.divide(others, own)))


def comparison(runs: Sequence[Contestant], requests: dict[str, tuple[int, int]]) -> str:
    """All implementations at their fastest setting, request by request.

    Args:
      requests: name -> (batch, tokens).
    """
    heads = [f"times {name}" for name in REFERENCES if any(run.name == name for run in runs)]
    lines = _header("batch", "tokens", "", "layers", "setting", "p50", "p99", "sentences/s", *heads)
    for request, (batch, tokens) in requests.items():
        best = fastest(runs, request)
        references = [run for name in REFERENCES for run in best if run.name == name]
        for run in best:
            answers = milliseconds(run, request)
            p50, p99 = np.percentile(answers, [50, 99])
            ratios = [f"{times(run, reference, request):.2f}" for reference in references]
            rate = f"{1e3 * batch / answers.mean():.0f}"
            cells = (batch, tokens, run.name, run.layers, setting(run), _ms(p50), _ms(p99), rate)
            lines.append(_row(*cells, *ratios))
    return "\n".join(lines)


def settings(runs: Sequence[Contestant], requests: Sequence[str]) -> str:
    """The median milliseconds of every setting."""
    lines = _header("", "layers", "setting", *requests)
    for run in runs:
        cells = (
            _ms(median(run, request)) if answered(run, request) else "–" for request in requests
        )
        lines.append(_row(run.name, run.layers, setting(run), *cells))
    return "\n".join(lines)


def texts(runs: Sequence[Contestant], texts: dict[str, dict]) -> str:
    """What texts cost, as strings and as token ids, with the setting that is fastest for them.

    Args:
      runs: those that measured texts.
      texts: name -> `text` and `token_ids`.
    """
    lines = _header("text", "tokens", "setting", "string, p50", "p99", "its token ids, p50")
    for name, text in texts.items():
        for run in fastest(runs, f"{name} text"):
            p50, p99 = np.percentile(milliseconds(run, f"{name} text"), [50, 99])
            words = f"{name}, {len(text['text'].split())} words"
            ids = _ms(median(run, f"{name} ids"))
            lines.append(_row(words, len(text["token_ids"]), setting(run), _ms(p50), _ms(p99), ids))
    return "\n".join(lines)


def _ms(value: float) -> str:
    """Milliseconds with three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _header(*names: str) -> list[str]:
    return [_row(*names), "|" + "---|" * len(names)]
