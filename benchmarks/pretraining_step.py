"""Speed of pre-training, side by side with the reference and with Hugging Face, in one run.

    python -m benchmarks.pretraining_step \\
        --reference_python /tmp/tf115/bin/python --reference_dir /tmp/LV-BERT \\
        --huggingface_python /tmp/hf/bin/python

Each implementation trains in a process of its own, one after the other, for several rounds, so that a
drift of a shared machine's speed meets all of them; the table has the median of all steps, and of the
rounds' ratios to the reference the median, the least and the greatest.
benchmarks/baselines/README.md says how to make the two other environments; without them only this
project is measured. Prints the table of docs/performance.md.
"""

import statistics

from absl import flags
from tqdm import tqdm

from benchmarks.contestant import Contestant, driver, spread
from benchmarks.machine import processor
from lvbert_tf import cli
from lvbert_tf.architecture.layer_string import ELECTRA, LV_BERT_SMALL
from lvbert_tf.errors import InputError

FLAGS = flags.FLAGS
flags.DEFINE_integer("batch_size", 32, "Sequences a step.", lower_bound=1)
flags.DEFINE_integer("max_seq_length", 128, "Tokens a sequence.", lower_bound=5)
flags.DEFINE_integer("steps", 5, "Timed steps a round.", lower_bound=1)
flags.DEFINE_integer("rounds", 2, "Rounds over all implementations.", lower_bound=1)
flags.DEFINE_list("precisions", ["float32", "bfloat16"], "Precisions to measure.")
flags.DEFINE_string("reference_python", None, "Python 3.7 with TensorFlow 1.15.")
flags.DEFINE_string("reference_dir", None, "Checkout of the reference, LV-BERT.")
flags.DEFINE_string("huggingface_python", None, "Python with PyTorch and transformers.")


def contestants() -> list[Contestant]:
    """What the flags ask to compare."""
    found = []
    for title, layers in (("LV-BERT", str(LV_BERT_SMALL)), ("AF x 12", str(ELECTRA))):
        arguments = ["--layers", layers]
        for precision in FLAGS.precisions:
            command = driver("own_step", "--precision", precision, *arguments)
            found.append(Contestant("ours", title, precision, command))
        if FLAGS.reference_python:
            if not FLAGS.reference_dir:
                raise InputError("--reference_python needs --reference_dir")
            python = FLAGS.reference_python
            command = driver("baselines.reference_step", *arguments, python=python)
            checkout = FLAGS.reference_dir
            found.append(Contestant("reference", title, "float32", command, python_path=checkout))
        if FLAGS.huggingface_python and layers == str(ELECTRA):
            for precision in FLAGS.precisions:
                command = driver(
                    "baselines.huggingface_step",
                    *("--precision", precision, *arguments),
                    python=FLAGS.huggingface_python,
                )
                found.append(Contestant("Hugging Face", title, precision, command))
    return found


def table(runs: list[Contestant]) -> str:
    """A Markdown table, a row a contestant."""
    reference = {run.layers: run.round_seconds for run in runs if run.name == "reference"}
    rows = [
        "| layers | | precision | sequences/s | times the reference | GFLOP/s | of the peak | memory |"
    ]
    rows.append("|---|---|---|---|---|---|---|---|")
    for run in runs:
        result = run.results[-1]
        times = rate = share = "–"
        if others := reference.get(run.layers):
            ratios = [other / own for other, own in zip(others, run.round_seconds, strict=True)]
            times = spread(ratios, 2)
        if run.name == "ours":
            flops = result["gflop_per_second"] * statistics.median(result["all"])
            peak = max(r["matmul_peak_gflop_per_second"] for r in run.results)
            rate = f"{flops / run.seconds:.0f}"
            share = f"{100 * flops / run.seconds / peak:.0f}% of {peak:.0f}"
        speed = FLAGS.batch_size / run.seconds
        memory = max(r["peak_memory_mib"] for r in run.results) / 1024
        rows.append(
            f"| {run.layers} | {run.name} | {run.precision} | {speed:.1f} | {times} | {rate} |"
            f" {share} | {memory:.1f} GiB |"
        )
    return "\n".join(rows)


def main() -> None:
    common = [
        "--batch_size", str(FLAGS.batch_size),
        "--max_seq_length", str(FLAGS.max_seq_length),
        "--steps", str(FLAGS.steps),
        "--warmup", "1",
    ]  # fmt: skip
    runs = contestants()
    with tqdm(total=FLAGS.rounds * len(runs), unit="run") as progress:
        for _ in range(FLAGS.rounds):
            for run in runs:
                progress.set_description(f"{run.name} {run.layers} {run.precision}")
                run.run(common)
                progress.update()
    print(f"{processor()}; batch {FLAGS.batch_size}, length {FLAGS.max_seq_length}")
    print(table(runs))


if __name__ == "__main__":
    cli.run(main)
