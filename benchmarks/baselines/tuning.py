"""What the drivers of fine-tuning share: command line, rows, clock and the JSON line.

A driver trains `1 + epochs` epochs, of which the first is a warm-up, and predicts for the dev rows as
often. Its last line of output is JSON: the settings, and `training` and `prediction`, of each a list of
what `Clock.read` returns, without the warm-up.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import time
from pathlib import Path

from benchmarks.baselines import stepping


def argument_parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser with the flags that every driver of fine-tuning understands."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="has train, dev and vocab.txt")
    parser.add_argument("--layers", type=stepping.layer_letters, default=stepping.ELECTRA_SMALL)
    parser.add_argument("--batch_size", type=stepping.positive, default=32, help="rows a step")
    parser.add_argument("--max_seq_length", type=stepping.positive, default=128)
    parser.add_argument("--epochs", type=stepping.positive, default=2, help="timed ones")
    parser.add_argument("--bucket", action="store_true", help="rows of like length together")
    return parser


def rows_file(data: Path, split: str) -> Path:
    """Where the rows of a split are: where the project looks for those of SST-2."""
    return data / "finetuning_data" / "sst" / f"{split}.tsv"


def read_rows(data: Path, split: str) -> tuple[list[str], list[int]]:
    """The texts and labels of a split."""
    with rows_file(data, split).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    return [row[0] for row in rows], [int(row[1]) for row in rows]


class Clock:
    """Starts when it is made."""

    def __init__(self):
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def read(self, rows: int) -> dict[str, float]:
        """`rows` as given, `seconds` since then, and `cpu_seconds` of this process on all cores."""
        return {
            "rows": rows,
            "seconds": time.perf_counter() - self._wall,
            "cpu_seconds": time.process_time() - self._processor,
        }


def print_result(
    flags: argparse.Namespace, epochs: list[dict], predictions: list[dict], **facts
) -> None:
    """Prints one JSON line; the first of each list is the warm-up."""
    result = {
        "training": epochs[1:],
        "prediction": predictions[1:],
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "layers": flags.layers,
        "bucket": flags.bucket,
    }
    print(json.dumps({**result, **facts}), flush=True)
