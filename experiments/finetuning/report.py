"""Everything that docs/finetuning.md shows of this experiment."""

from pathlib import Path

import numpy as np

from benchmarks.machine import processor
from experiments.evidence.estimates import Estimate, bootstrap
from experiments.evidence.tables import markdown
from experiments.finetuning import experiment, plots
from experiments.finetuning.baselines import LEXICAL, TRIVIAL, Baselines, all_baselines
from experiments.finetuning.experiment import STARTS, Finetuning, TaskPlan
from experiments.finetuning.results import FinetuningResults
from lvbert_tf.finetuning.tasks.registry import find_task

MODEL_NAMES = {"lv_bert": "LV-BERT", "af": "AF x 12"}


def report(output_dir: Path, plots_dir: Path) -> str:
    """Makes the tables and draws the plot, of what is complete.

    Returns:
      Markdown.
    """
    results, baselines = FinetuningResults(output_dir), all_baselines(output_dir, experiment.TASKS)
    metrics = {plan: main_metric(output_dir, plan) for plan in experiment.TASKS}
    plots.by_task(results, baselines, metrics, plots_dir / "finetuning_evidence.svg")
    hours = results.processor_hours
    return "\n\n".join(
        [
            "## Pre-training",
            pretraining_table(results),
            "## Fine-tuning",
            finetuning_table(results, baselines, metrics),
            f"{sum(hours.values()):.2f} processor hours"
            f" ({', '.join(f'{kind} {part:.2f}' for kind, part in hours.items())}); {processor()}",
        ]
    )


def main_metric(output_dir: Path, plan: TaskPlan) -> str:
    """The first metric of a task; of SQuAD's F1, as hardly an answer is exact."""
    metrics = find_task(plan.name, output_dir).metrics
    return "f1" if plan.name == "squadv1" else metrics[0]


def pretraining_table(results: FinetuningResults) -> str:
    """The held-out metrics of both models, and of always guessing the commonest token."""
    rows, guess = [], 0.0
    for model, string in experiment.MODELS.items():
        held_out = results.held_out(model)
        guess = held_out["baseline_mlm_accuracy"]
        held_out_metrics = f"{held_out['mlm_loss']:.3f}", f"{held_out['mlm_accuracy']:.3f}"
        rows.append((MODEL_NAMES[model], string, *held_out_metrics))
    rows.append(("commonest token", "", "", f"{guess:.3f}"))
    return markdown(("", "layers", "held-out mlm_loss", "mlm_accuracy"), rows, texts=2)


def finetuning_table(
    results: FinetuningResults, baselines: dict[str, Baselines], metrics: dict[TaskPlan, str]
) -> str:
    """Medians over the trials of every task, model and start, beside the baselines."""
    rows = []
    for plan, metric in metrics.items():
        simple = [f"{baselines[plan.name][name][metric]:.1f}" for name in (TRIVIAL, LEXICAL)]
        for model in experiment.MODELS:
            by_start = [
                results.metric_values(Finetuning(plan, model, start), metric) for start in STARTS
            ]
            cells = [median(values).shown(1) if values else "" for values in by_start]
            complete = all(len(values) == experiment.NUM_TRIALS for values in by_start)
            gain = gain_of(*by_start).shown(1) if complete else ""
            rows.append((plan.title, metric, *simple, MODEL_NAMES[model], *cells, gain))
    header = ("task", "metric", "trivial", "words", "model", *STARTS, "difference")
    return markdown(header, rows, texts=2)


def median(values: list[float]) -> Estimate:
    """The median with its bootstrap interval over the trials."""
    return bootstrap(np.median, values)


def gain_of(pretrained: list[float], from_scratch: list[float]) -> Estimate:
    """The difference of medians; trials of a seed go together, as data order and head are alike."""
    return bootstrap(lambda a, b: np.median(a) - np.median(b), pretrained, from_scratch)
