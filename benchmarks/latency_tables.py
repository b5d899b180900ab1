"""The tables of `serving_latency.py`, in Markdown, from what its drivers measured."""

from collections.abc import Sequence

import numpy as np

from benchmarks.contestant import Contestant

OURS = "ours"
"""What the names of this project's contestants begin with."""

Key = tuple[str, str, str]  # precision, implementation, layers


def milliseconds(run: Contestant, request: str) -> np.ndarray:
    """Of every answer to a request, of all rounds."""
    return 1e3 * np.concatenate([result["seconds"][request] for result in run.results])


def median(run: Contestant, request: str) -> float:
    """Milliseconds of an answer."""
    return float(np.median(milliseconds(run, request)))


def round_medians(run: Contestant, request: str) -> np.ndarray:
    """Milliseconds of an answer, in each round."""
    return 1e3 * np.array([np.median(result["seconds"][request]) for result in run.results])


def answered(run: Contestant, request: str) -> bool:
    """Whether it was asked that."""
    return request in run.results[0]["seconds"]


def setting(run: Contestant) -> str:
    """Precision and threads."""
    threads = run.results[0]["threads"]
    return f"{run.precision}, {threads} thread{'s' if threads > 1 else ''}"


def fastest(runs: Sequence[Contestant], request: str) -> dict[Key, Contestant]:
    """Of each precision, implementation and layer string the setting with the smallest median."""
    best: dict[Key, Contestant] = {}
    for run in filter(lambda run: answered(run, request), runs):
        rival = best.setdefault((run.precision, run.name, run.layers), run)
        if median(run, request) < median(rival, request):
            best[run.precision, run.name, run.layers] = run
    return best


def times(run: Contestant, other: Contestant, request: str) -> float:
    """How many times as fast as another: the median over rounds of the ratio of their medians."""
    return float(np.median(round_medians(other, request) / round_medians(run, request)))


def comparison(runs: Sequence[Contestant], requests: Sequence[str]) -> str:
    """The median milliseconds of all implementations at their fastest number of threads.

    Behind those of ours stands how many times as fast they are as the fastest peer of equal precision.
    """
    best = {request: fastest(runs, request) for request in requests}
    precisions = dict.fromkeys(run.precision for run in runs)
    keys = dict.fromkeys((run.precision, run.name, run.layers) for run in runs)
    lines = _header("precision", "", "layers", *requests)
    for precision in precisions:
        for key in (key for key in keys if key[0] == precision):
            cells = []
            for request in requests:
                run = best[request].get(key)
                if run is None:
                    cells.append("–")
                    continue
                peers = [
                    other
                    for (equal, name, _), other in best[request].items()
                    if equal == precision and not name.startswith(OURS)
                ]
                text = _ms(median(run, request))
                if peers and run.name.startswith(OURS):
                    peer = min(peers, key=lambda other: median(other, request))
                    text += f" ({times(run, peer, request):.2f})"
                cells.append(text)
            lines.append(_row(*key, *cells))
    return "\n".join(lines)


def settings(runs: Sequence[Contestant], requests: Sequence[str]) -> str:
    """The milliseconds of every setting: the median, and the rounds' least and greatest median."""
    lines = _header("", "layers", "setting", *requests)
    for run in runs:
        cells = []
        for request in requests:
            text = "–"
            if answered(run, request):
                rounds = round_medians(run, request)
                least, greatest = _ms(rounds.min()), _ms(rounds.max())
                text = f"{_ms(median(run, request))} ({least} to {greatest})"
            cells.append(text)
        lines.append(_row(run.name, run.layers, setting(run), *cells))
    return "\n".join(lines)


def texts(runs: Sequence[Contestant], texts: dict[str, dict]) -> str:
    """What texts cost, as strings and as token ids, with the number of threads that is fastest.

    Args:
      runs: those that measured texts.
      texts: name -> `text` and `token_ids`.
    """
    lines = _header(
        *("text", "tokens", "", "layers", "setting", "string, p50", "p99", "its token ids, p50")
    )
    for name, text in texts.items():
        for run in fastest(runs, f"{name} text").values():
            p50, p99 = np.percentile(milliseconds(run, f"{name} text"), [50, 99])
            words = f"{name}, {len(text['text'].split())} words"
            ids = _ms(median(run, f"{name} ids"))
            cells = (words, len(text["token_ids"]), run.name, run.layers, setting(run))
            lines.append(_row(*cells, _ms(p50), _ms(p99), ids))
    return "\n".join(lines)


def _ms(value: float) -> str:
    """Milliseconds with three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _header(*names: str) -> list[str]:
    return [_row(*names), "|" + "---|" * len(names)]
