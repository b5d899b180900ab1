"""What the drivers of serving share: command line, requests, timing and the JSON line.

A driver answers each request again and again, one at a time, for `--seconds` and at least four times;
two answers before that are not timed. Arrays of NumPy go in and come out. Its last line of output is
JSON: the settings, and `seconds`, a list for each request.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.baselines import stepping

WARMUP_ANSWERS, LEAST_ANSWERS = 2, 4


def argument_parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser with the flags that every driver of serving understands."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="what is made once is kept there")
    parser.add_argument("--layers", type=stepping.layer_letters, default=stepping.ELECTRA_SMALL)
    parser.add_argument("--threads", type=stepping.positive, default=2, help="of an operation")
    parser.add_argument("--requests", type=sizes, default="1x32", help="BATCHxTOKENS,...")
    parser.add_argument("--seconds", type=float, default=0.4, help="for a request, at least")
    return parser


def sizes(text: str) -> dict[str, tuple[int, int]]:
    """Parses `BATCHxTOKENS,...`."""
    parts = {part: part.partition("x") for part in text.split(",")}
    return {
        part: (stepping.positive(batch), stepping.positive(tokens))
        for part, (batch, _, tokens) in parts.items()
    }


def token_ids(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Token ids, segment ids and padding mask, int32 of shape [batch, tokens], without padding."""
    ids, segments = stepping.random_sentence_pairs(*size)
    return ids, segments, np.ones_like(ids)


def time_answers(answer: Callable[[], np.ndarray], seconds: float) -> list[float]:
    """Answers a request repeatedly.

    Returns:
        the seconds of each answer, the first ones left out.
    """
    for _ in range(WARMUP_ANSWERS):
        answer()
    times: list[float] = []
    while len(times) < LEAST_ANSWERS or sum(times) < seconds:
        start = time.perf_counter()
        answer()
        times.append(time.perf_counter() - start)
    return times


def print_result(flags: argparse.Namespace, seconds: dict[str, list[float]], **facts) -> None:
    """Prints one JSON line: the settings, the times of every request, peak memory and `facts`."""
    result = {
        "seconds": seconds,
        "threads": flags.threads,
        "layers": flags.layers,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps({**result, **facts}), flush=True)
