"""Measures how long a corpus takes, as it is stored, with several processes, beside an earlier checkout.

The checkouts take turns, so that both see the same machine. A vocabulary is learned in a build of its
own; what it takes longer than a build with a given vocabulary is the time of learning.

  python -m benchmarks.corpus_building --corpus BOOKS --vocab_file vocab.txt --before_dir CHECKOUT
"""

import statistics
import sys
import tempfile
from pathlib import Path

from absl import flags

from benchmarks.contestant import spread
from benchmarks.dataset_building import BUILDER, run_builder
from benchmarks.machine import processor
from lvbert_tf import cli
from lvbert_tf.errors import InputError

flags.DEFINE_integer("num_processes", 2, "What --num_processes of the builder is.")
flags.DEFINE_integer("learn_vocab_size", 8000, "The size of the vocabulary that is learned.")
flags.DEFINE_integer("repeats", 3, "How often each build is made; the medians count.")
flags.DEFINE_string("before_dir", None, "The checkout to compare with.", required=True)
FLAGS = flags.FLAGS


def main() -> None:
    """Runs the builders and prints the table."""
    before = Path(FLAGS.before_dir, "build_pretraining_dataset.py")
    if not before.is_file():
        raise InputError(f"before_dir has no build_pretraining_dataset.py: {FLAGS.before_dir}")
    programs = {"before": before, "now": BUILDER}
    seconds: dict[tuple[str, str], list[float]] = {}
    print(f"{processor()}, {FLAGS.num_processes} processes")
    for _ in range(FLAGS.repeats):
        for what in ("build", "learn and build"):
            for name, program in programs.items():
                with tempfile.TemporaryDirectory() as folder:
                    run = run_builder(_command(program, what, Path(folder)))
                seconds.setdefault((what, name), []).append(run.seconds)
                print(f"{what:16} {name:7} {run.seconds:7.1f} s {run.cpu_seconds:7.1f} cpu s")
    for name in programs:
        pairs = zip(seconds["learn and build", name], seconds["build", name], strict=True)
        seconds["learn", name] = [whole - build for whole, build in pairs]
    for what in ("build", "learn"):
        before_seconds, now_seconds = (seconds[what, name] for name in programs)
        ratio = statistics.median(before_seconds) / statistics.median(now_seconds)
        print(
            f"{what}: {spread(before_seconds, 1)} s before, {spread(now_seconds, 1)} s now,"
            f" {ratio:.2f} times as fast"
        )


def _command(program: Path, what: str, folder: Path) -> list:
    vocabulary = folder / "vocab.txt" if "learn" in what else FLAGS.vocab_file
    command = [sys.executable, program, "--corpus_dir", FLAGS.corpus, "--vocab_file", vocabulary]
    command += ["--output_dir", folder / "out", f"--num_processes={FLAGS.num_processes}"]
    if "learn" in what:
        command += [f"--learn_vocab_size={FLAGS.learn_vocab_size}"]
    return command


if __name__ == "__main__":
    cli.run(main)
