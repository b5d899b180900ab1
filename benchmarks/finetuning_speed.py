"""Speed of fine-tuning and of prediction, side by side with Hugging Face's Trainer, in one run.

    python -m benchmarks.finetuning_speed --huggingface_python /tmp/hf/bin/python \\
        --data_dir GLUE/SST-2 --vocab_file vocab.txt

Rows of `train.tsv` are learned and those of `dev.tsv` predicted, by encoders of ELECTRA-small's width
with random weights, in a process for each implementation and setting, one after the other, for several
rounds. Without --data_dir the sentences of data/sotu.jsonl.gz are the rows; without --vocab_file a
vocabulary is learned from them. benchmarks/baselines/README.md says how to make the other environment;
without it only this project is measured. Prints the tables of docs/performance.md.
"""

import os
import random
import statistics
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import flags
from tqdm import tqdm

from benchmarks.baselines import tuning
from benchmarks.contestant import Contestant, driver, spread
from benchmarks.machine import processor
from benchmarks.rows import COLUMNS, address_rows, glue_rows
from lvbert_tf import cli
from lvbert_tf.architecture.layer_string import ELECTRA, LV_BERT_SMALL
from lvbert_tf.errors import InputError
from lvbert_tf.text.wordpiece_learner import learn_vocabulary, write_vocabulary

_DEV_SENTENCES = 872  # as many as SST-2 has
_VOCABULARY_SIZE = 30522
_BUCKETS = {True: "of like length", False: "as they come"}

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "Folder of SST-2, as GLUE has it: train.tsv, dev.tsv.")
flags.DEFINE_string("vocab_file", None, "BERT's vocabulary.")
flags.DEFINE_string("huggingface_python", None, "Python with PyTorch, transformers, accelerate.")
flags.DEFINE_integer("batch_size", 32, "Rows a step.", lower_bound=1)
flags.DEFINE_integer("max_seq_length", 128, "Tokens a row at most.", lower_bound=8)
flags.DEFINE_integer("steps", 200, "Steps an epoch: that many batches of rows.", lower_bound=2)
flags.DEFINE_integer("epochs", 1, "Timed epochs, and predictions, a round.", lower_bound=1)
flags.DEFINE_integer("rounds", 1, "Rounds over all implementations.", lower_bound=1)
flags.DEFINE_list("precisions", ["float32", "bfloat16"], "Precisions to measure.")
flags.DEFINE_string("keep", None, "New folder for the rows, to run a driver on them by hand.")


def write_rows(folder: Path) -> None:
    """Makes the data directory that all drivers read."""
    count = FLAGS.steps * FLAGS.batch_size
    if FLAGS.data_dir:
        source = Path(FLAGS.data_dir)
        train, dev = glue_rows(source, "train"), glue_rows(source, "dev")
    else:
        rows = address_rows()
        random.Random(1).shuffle(rows)
        train, dev = rows[_DEV_SENTENCES:], rows[:_DEV_SENTENCES]
    if len(train) < count:
        raise InputError(f"--steps {FLAGS.steps}: {count} rows, but there are {len(train)}")
    chosen = random.Random(0).sample(train, count)
    for split, rows in (("train", chosen), ("dev", dev)):
        path = tuning.rows_file(folder, split)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([COLUMNS, *rows, ""]), encoding="utf-8")
    if FLAGS.vocab_file:
        vocabulary = Path(FLAGS.vocab_file).read_text(encoding="utf-8")
        (folder / "vocab.txt").write_text(vocabulary, encoding="utf-8")
    else:
        texts = [row.split("\t")[0] for row in train]
        write_vocabulary(folder / "vocab.txt", learn_vocabulary(texts, _VOCABULARY_SIZE))


def contestants() -> list[Contestant]:
    """What the flags ask to compare; `--bucket` at the end of a command or not."""
    found = []
    for title, layers in (("AF x 12", str(ELECTRA)), ("LV-BERT", str(LV_BERT_SMALL))):
        drivers = [("ours", sys.executable, "own_finetuning")]
        if FLAGS.huggingface_python and layers == str(ELECTRA):
            module = "baselines.huggingface_finetuning"
            drivers.append(("Hugging Face", FLAGS.huggingface_python, module))
        for name, python, module in drivers:
            for precision in FLAGS.precisions:
                arguments = ("--layers", layers, "--precision", precision)
                command = driver(module, *arguments, python=python)
                for bucket in ([], ["--bucket"]):
                    found.append(Contestant(name, title, precision, command + bucket))
    return found


def rates(run: Contestant, work: str, clock: str) -> list[float]:
    """Rows a second of each round, medians over its epochs.

    Args:
      work: "training" or "prediction".
      clock: "seconds" by the clock, or "cpu_seconds" of the processor.
    """
    return [
        statistics.median(part["rows"] / part[clock] for part in result[work])
        for result in run.results
    ]


def table(runs: list[Contestant], work: str) -> str:
    """A Markdown table, a row a contestant; ratios are to Hugging Face's fastest of the same round."""
    others = [run for run in runs if run.name == "Hugging Face"]
    best = {
        clock: [max(round_) for round_ in zip(*(rates(run, work, clock) for run in others), strict=True)]
        for clock in ("seconds", "cpu_seconds")
    }  # fmt: skip
    per_row = FLAGS.batch_size if work == "training" else 1
    unit = "steps/s" if work == "training" else "sentences/s"
    lines = [
        f"| layers | | precision | batches | {unit} | times | by processor time | GFLOP/s | memory |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        speeds = rates(run, work, "seconds")
        times = [ratio(rates(run, work, clock), best[clock]) for clock in best]
        share = "–"
        if run.name == "ours":
            gflop, peak = (
                statistics.median(result[name] for result in run.results)
                for name in (f"{work}_gflop_a_row", "matmul_peak_gflop_per_second")
            )
            rate = gflop * statistics.median(speeds)
            share = f"{rate:.0f}, {100 * rate / peak:.0f}% of {peak:.0f}"
        memory = max(result["peak_memory_mib"] for result in run.results) / 1024
        lines.append(
            f"| {run.layers} | {run.name} | {run.precision} |"
            f" {_BUCKETS['--bucket' in run.command]} | {statistics.median(speeds) / per_row:.1f} |"
            f" {times[0]} | {times[1]} | {share} | {memory:.1f} GiB |"
        )
    return "\n".join(lines)


def ratio(rates: list[float], others: list[float]) -> str:
    """The ratios' median and spread over rounds, or a dash where there is nothing to compare with."""
    if not others:
        return "–"
    return spread([a / b for a, b in zip(rates, others, strict=True)], 2)


def warmups(runs: list[Contestant]) -> str:
    """A line for each of our settings: what its first step and first prediction took."""
    return "\n".join(
        f"{run.layers}, {run.precision}, {_BUCKETS['--bucket' in run.command]}:"
        f" first step {statistics.median(r['first_step'] for r in run.results):.0f} s,"
        f" rest of the first epoch's tracing and compiling"
        f" {statistics.median(r['compiling'] for r in run.results):.0f} s,"
        f" first prediction {statistics.median(r['first_prediction'] for r in run.results):.0f} s"
        " (processor time)"
        for run in runs
        if run.name == "ours"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(FLAGS.keep or temporary).resolve()
        write_rows(folder)
        common = [
            "--data", str(folder),
            "--batch_size", str(FLAGS.batch_size),
            "--max_seq_length", str(FLAGS.max_seq_length),
            "--epochs", str(FLAGS.epochs),
        ]  # fmt: skip
        runs = contestants()
        with tqdm(total=FLAGS.rounds * len(runs), unit="run") as progress:
            for _ in range(FLAGS.rounds):
                for run in runs:
                    progress.set_description(f"{run.name} {run.layers} {run.precision}")
                    run.run(common)
                    progress.update()
    load = os.getloadavg()[2]
    print(f"{processor()}; batch {FLAGS.batch_size}, {FLAGS.steps} steps an epoch; load {load:.1f}")
    for work in ("training", "prediction"):
        print(f"\n{work}\n\n{table(runs, work)}")
    print(f"\n{warmups(runs)}")


if __name__ == "__main__":
    cli.run(main)
