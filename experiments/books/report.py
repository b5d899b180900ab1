"""Everything that docs/finetuning.md shows of this experiment: of what is complete."""

from pathlib import Path

import numpy as np

from benchmarks.machine import processor
from experiments.books import experiment, plots
from experiments.books.experiment import (
    SHARES,
    STARTS,
    Pretraining,
    growth_trials,
    main_trials,
)
from experiments.books.results import BookResults
from experiments.evidence.estimates import bootstrap, mean_estimate
from experiments.evidence.tables import markdown
from experiments.finetuning.baselines import LEXICAL, TRIVIAL, Baselines, all_baselines
from experiments.finetuning.experiment import TaskPlan
from experiments.finetuning.report import gain_of

MODEL_NAMES = {"lv_bert": "LV-BERT", "af": "AF x 12"}

Decays = dict[tuple[str, str, str], float]


def report(output_dir: Path, plots_dir: Path) -> str:
    """Makes the tables and draws the plots.

    Returns:
      Markdown.
    """
    results = BookResults(output_dir)
    parts: list[str] = []
    if results.are_pretrained(experiment.rate_trials()):
        parts += ["## Learning rates", rate_table(results)]
    if results.are_pretrained(Pretraining(model, 0.0) for model in experiment.MODELS):
        plots.curves(results, MODEL_NAMES, plots_dir / "books_pretraining.svg")
        parts += ["## Pre-training", pretraining_table(results)]
    if results.are_decays_known:
        parts += _finetuning(results, plots_dir)
    hours = results.processor_hours
    parts.append(
        f"{sum(hours.values()):.2f} processor hours"
        f" ({', '.join(f'{kind} {part:.2f}' for kind, part in hours.items())}); {processor()}"
    )
    return "\n\n".join(parts)


def _finetuning(results: BookResults, plots_dir: Path) -> list[str]:
    baselines = all_baselines(results.output_dir, experiment.TASKS)
    decays = results.best_decays()
    plots.by_task(results, baselines, decays, MODEL_NAMES, plots_dir / "books_tasks.svg")
    plots.growth(results, decays, MODEL_NAMES, plots_dir / "books_growth.svg")
    return [
        "## Fine-tuning",
        finetuning_table(results, baselines, decays),
        "## LV-BERT beside AF x 12",
        comparison_table(results, decays),
        "## After a part of pre-training",
        growth_table(results, decays),
    ]


def rate_table(results: BookResults) -> str:
    """What the short runs gave on held-out text; the rate with the lowest `loss` is chosen."""
    rows = []
    for run in experiment.rate_trials():
        held_out = results.held_out(run.model_name)
        chosen = "yes" if run.rate == results.best_rate(run.model) else ""
        metrics = (f"{held_out[name]:.3f}" for name in ("loss", "mlm_loss", "disc_auc"))
        rows.append((MODEL_NAMES[run.model], f"{run.rate:g}", *metrics, chosen))
    return markdown(("", "rate", "held-out loss", "mlm_loss", "disc_auc", "chosen"), rows)


def pretraining_table(results: BookResults) -> str:
    """The held-out metrics of the models, and what they cost."""
    rows = []
    for model, name in MODEL_NAMES.items():
        held_out = results.held_out(model)
        metrics = (f"{held_out[key]:.3f}" for key in ("mlm_loss", "mlm_accuracy", "disc_auc"))
        hours = results.seconds_a_step(model) * experiment.NUM_STEPS / 3600
        rows.append((name, experiment.MODELS[model], *metrics, f"{hours:.1f}"))
    guess = results.held_out(next(iter(MODEL_NAMES)))["baseline_mlm_accuracy"]
    rows.append(("commonest token", "", "", f"{guess:.3f}", "0.500", ""))
    header = ("", "layers", "held-out mlm_loss", "mlm_accuracy", "disc_auc", "processor hours")
    return markdown(header, rows, texts=2)


def finetuning_table(results: BookResults, baselines: dict[str, Baselines], decays: Decays) -> str:
    """Medians over the seeds of every task, model and start, beside the baselines."""
    rows = []
    for plan in experiment.TASKS:
        metric = results.main_metric(plan)
        simple = [f"{baselines[plan.name][name][metric]:.1f}" for name in (TRIVIAL, LEXICAL)]
        for model, title in MODEL_NAMES.items():
            by_start, cells = [], []
            for start in STARTS:
                decay = decays[plan.name, model, start]
                trials = main_trials(plan, model, start, decay)
                values = results.metric_values(trials, metric)
                by_start.append(values)
                shown = bootstrap(np.median, values).shown(1) if values else ""
                cells.append(f"{shown} at {decay:g}")
            complete = by_start[0] and len(by_start[0]) == len(by_start[1])
            gain = gain_of(*by_start).shown(1) if complete else ""
            rows.append((plan.title, metric, *simple, title, *cells, gain))
    header = ("task", "metric", "trivial", "words", "model", *STARTS, "difference")
    return markdown(header, rows, texts=2)


def comparison_table(results: BookResults, decays: Decays) -> str:
    """How far the pre-trained LV-BERT is ahead of AF x 12: seeds together, and the mean of the tasks."""
    rows, differences = [], []
    for plan in experiment.TASKS:
        values = [
            results.metric_values(
                main_trials(plan, model, STARTS[0], decays[plan.name, model, STARTS[0]]),
                results.main_metric(plan),
            )
            for model in MODEL_NAMES
        ]
        if values[0] and len(values[0]) == len(values[1]):
            difference = np.subtract(*values)
            differences.append(difference.mean())
            rows.append((plan.title, mean_estimate(difference).shown(1)))
    if len(differences) > 1:
        rows.append(("mean over the tasks", mean_estimate(differences).shown(1)))
    return markdown(("task", "LV-BERT - AF x 12, points"), rows)


def growth_table(results: BookResults, decays: Decays) -> str:
    """Means of the main metric when fine-tuning starts after a part of pre-training."""
    rows = []
    for plan in experiment.growth_tasks():
        for model, title in MODEL_NAMES.items():
            means = growth_means(results, decays, plan, model)
            shown = ("" if mean is None else f"{mean:.1f}" for mean in means)
            rows.append((plan.title, title, *shown))
    shares = (f"1/{share}" if share > 1 else "all" for share in SHARES)
    return markdown(("task", "model", "scratch", *shares), rows, texts=2)


def growth_means(
    results: BookResults, decays: Decays, plan: TaskPlan, model: str
) -> list[float | None]:
    """The mean from scratch, and after each part of pre-training; None where nothing is complete."""
    metric = results.main_metric(plan)
    scratch, whole = (
        main_trials(plan, model, start, decays[plan.name, model, start])
        for start in reversed(STARTS)
    )
    runs = [scratch, *growth_trials(plan, model, whole.decay), whole]
    values = [results.metric_values(run, metric) for run in runs]
    return [float(np.mean(found)) if found else None for found in values]
