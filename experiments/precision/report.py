"""The tables of what bfloat16 costs."""

from pathlib import Path

import numpy as np

from benchmarks.machine import processor
from experiments.evidence.estimates import mean_estimate
from experiments.evidence.tables import markdown
from experiments.finetuning.results import FinetuningResults
from experiments.precision import experiment
from experiments.precision.experiment import PRECISIONS, Finetuning, Pretraining
from lvbert_tf.finetuning.tasks.registry import find_task


def report(output_dir: Path) -> str:
    """Makes the tables of what is complete.

    Returns:
      Markdown.
    """
    results = FinetuningResults(output_dir)
    hours = sum(results.processor_hours.values())
    return "\n\n".join(
        [
            "## Pre-training",
            pretraining_table(results),
            "## Fine-tuning",
            finetuning_table(results),
            f"{hours:.2f} processor hours; {processor()}",
        ]
    )


def pretraining_table(results: FinetuningResults) -> str:
    """The held-out loss of each seed in both precisions."""
    rows = []
    for seed in experiment.PRETRAINING_SEEDS:
        names = [Pretraining(precision, seed).model_name for precision in PRECISIONS]
        if all((results.output_dir / "models" / name / "eval.json").exists() for name in names):
            wide, narrow = (results.held_out(name)["mlm_loss"] for name in names)
            rows.append((seed, f"{wide:.4f}", f"{narrow:.4f}", f"{narrow - wide:+.4f}"))
    return markdown(("seed", *PRECISIONS, "difference"), rows)


def finetuning_table(results: FinetuningResults) -> str:
    """Means of every task's metrics in both precisions, and of the differences of equal seeds."""
    rows = []
    for plan in experiment.TASKS:
        runs = [Finetuning(plan, precision) for precision in PRECISIONS]
        for metric in (find_task(plan.name, results.output_dir).metrics[0], "loss"):
            values = [results.metric_values(run, metric) for run in runs]
            # The trials of a run are done in order, so the first ones of both have the same seeds.
            seeds = min(map(len, values))
            if seeds < 2:
                continue
            wide, narrow = (np.array(each[:seeds]) for each in values)
            digits = 4 if metric == "loss" else 2
            means = [f"{np.mean(each):.{digits}f}" for each in (wide, narrow)]
            difference = mean_estimate(narrow - wide).shown(digits)
            rows.append((plan.title, metric, seeds, *means, difference))
    header = ("task", "metric", "seeds", *PRECISIONS, "difference")
    return markdown(header, rows, texts=2)
