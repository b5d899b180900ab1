"""Measures how fast pre-training records are built, beside the reference's builder.

Each builder runs in a process of its own, on the text once and repeated, and the rate is taken
from the difference, so that starting up (importing TensorFlow, building the tokenizer) does not
count. Starting takes seconds and varies by some tenths; texts smaller than the defaults drown in
that. Peak memory at both sizes shows whether it grows with the corpus.

  python -m benchmarks.dataset_building --corpus data/sotu.jsonl.gz --vocab_file vocab.txt \
      [--reference_dir ELECTRA_CHECKOUT --reference_python PYTHON]
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from absl import flags

from benchmarks.machine import processor
from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.records.corpus import Corpus

FLAGS = flags.FLAGS
flags.DEFINE_string("corpus", None, "The text: what --corpus_dir takes.", required=True)
flags.DEFINE_string("vocab_file", None, "A BERT vocabulary.", required=True)
flags.DEFINE_integer("max_seq_length", 128, "Number of tokens per example.")
flags.DEFINE_float("megabytes", 50.0, "Text that is built from; the larger run takes 4 times that.")
flags.DEFINE_string("reference_dir", None, "A checkout of the ELECTRA code, to compare with.")
flags.DEFINE_string("reference_python", sys.executable, "A Python that runs the reference.")
flags.DEFINE_float("reference_megabytes", 3.0, "The same for the reference, which is slower.")

GROWTH = 4
BUILDER = Path(__file__).parents[1] / "build_pretraining_dataset.py"


@dataclass
class Run:
    """One build: wall-clock and processor seconds, peak resident bytes."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def main() -> None:
    """Runs the builders and prints the table."""
    text = _read_text(int(max(FLAGS.megabytes, FLAGS.reference_megabytes) * 1e6))
    print(f"{processor()}, one process, length {FLAGS.max_seq_length}")
    print(f"{'':10} {'MB':>6} {'s':>7} {'cpu s':>7} {'peak MB':>8}")
    ours = _measure("lvbert_tf", text, FLAGS.megabytes, [sys.executable, BUILDER])
    if not FLAGS.reference_dir:
        return
    program = Path(FLAGS.reference_dir, "build_pretraining_dataset.py")
    if not program.is_file():
        raise InputError(
            f"reference_dir has no build_pretraining_dataset.py: {FLAGS.reference_dir}"
        )
    reference = _measure(
        "reference", text, FLAGS.reference_megabytes, [FLAGS.reference_python, program]
    )
    by_clock, by_cpu = (a / b for a, b in zip(ours, reference, strict=True))
    print(f"ratio: {by_clock:.1f} by the clock, {by_cpu:.1f} by processor time")


def _measure(name: str, text: str, megabytes: float, command: list) -> tuple[float, float]:
    """Prints both runs; returns MB of text a second, by the clock and of processor time."""
    text = text.encode()[: int(megabytes * 1e6)].decode(errors="ignore")
    runs = []
    for times in (1, GROWTH):
        with tempfile.TemporaryDirectory() as folder:
            corpus = Path(folder, "corpus")
            corpus.mkdir()
            for number in range(times):
                (corpus / f"{number}.txt").write_text(text)
            run = run_builder([*command, *_arguments(corpus, Path(folder, "out"))])
        runs.append(run)
        print(
            f"{name:10} {times * megabytes:6.1f} {run.seconds:7.1f} {run.cpu_seconds:7.1f}"
            f" {run.peak_bytes / 1e6:8.0f}"
        )
    first, second = runs
    more = (GROWTH - 1) * megabytes
    rate = more / (second.seconds - first.seconds)
    of_cpu = more / (second.cpu_seconds - first.cpu_seconds)
    print(f"{name:10} {rate:.2f} MB/s, {of_cpu:.2f} MB a processor second", flush=True)
    return rate, of_cpu


def _arguments(corpus: Path, output: Path) -> list:
    return [
        *("--corpus-dir", corpus, "--vocab-file", FLAGS.vocab_file, "--output-dir", output),
        *("--max-seq-length", str(FLAGS.max_seq_length), "--num-processes", "1"),
    ]


def run_builder(command: list) -> Run:
    """Runs a program to its end.

    Raises:
        InputError: it failed.
    """
    start = time.monotonic()
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, text=True
    )
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = (errors.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"{command[1]} ended with status {process.returncode}: {last}")
    seconds = time.monotonic() - start
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def _read_text(size: int) -> str:
    """The first `size` bytes of the corpus, repeated if there are fewer."""
    documents, length = [], 0
    for starts, text in Corpus(FLAGS.corpus).read():
        documents.append(("\n\n" if starts else "\n") + text.strip())
        length += len(text)
        if length > size:
            break
    if not documents:
        raise InputError(f"no text in the corpus: {FLAGS.corpus}")
    return "".join(documents * (1 + size // max(1, length)))


if __name__ == "__main__":
    cli.run(main)
