"""The results as SVG files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.books import experiment
from experiments.books.experiment import SHARES, STARTS, growth_trials, main_trials
from experiments.books.results import BookResults
from experiments.evidence import svg
from experiments.evidence.estimates import bootstrap
from experiments.finetuning.baselines import LEXICAL, TRIVIAL, Baselines
from lvbert_tf.search.report import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = dict(zip(experiment.MODELS, (drawing.SEARCH, drawing.RANDOM), strict=True))
_STYLES = {TRIVIAL: (":", "always the same"), LEXICAL: ("--", "words alone")}
_CURVES = {"mlm_accuracy": "held-out MLM accuracy", "disc_auc": "held-out AUC"}


def curves(results: BookResults, names: Mapping[str, str], path: Path) -> None:
    """Held-out metrics during pre-training, against steps, FLOPs and processor time."""

    def plot(figure: "Figure") -> None:
        panels = figure.subplots(2, 3, sharey="row")
        for row, (metric, title) in zip(panels, _CURVES.items(), strict=True):
            for model, name in names.items():
                points = results.curve(model)
                steps = np.array([point["step"] for point in points])
                values = [point[metric] for point in points]
                costs = {
                    "steps": steps,
                    "peta-FLOP": steps * results.gflop_a_step(model) / 1e6,
                    "processor hours": steps * results.seconds_a_step(model) / 3600,
                }
                for axes, (label, cost) in zip(row, costs.items(), strict=True):
                    axes.plot(cost, values, "o-", markersize=3, color=_COLOURS[model], label=name)
                    axes.set_xlabel(label)
            row[0].set_title(title, loc="left", fontsize=11)
        panels[0][0].legend(frameon=False)

    svg.write(path, "Pre-training on books", 11, 6.4, plot)


def by_task(
    results: BookResults,
    baselines: dict[str, Baselines],
    decays: dict[tuple[str, str, str], float],
    names: Mapping[str, str],
    path: Path,
) -> None:
    """A panel a task: every seed, the medians with their intervals, and the baselines."""
    labels = {(m, start): f"{name}\n{start}" for m, name in names.items() for start in STARTS}

    def plot(figure: "Figure") -> None:
        panels = figure.subplots(2, -(-len(experiment.TASKS) // 2), squeeze=False).flat
        for axes, plan in zip(panels, experiment.TASKS, strict=False):
            metric = results.main_metric(plan)
            for baseline, (style, label) in _STYLES.items():
                value = baselines[plan.name][baseline][metric]
                axes.axhline(value, color=drawing.GREY, linestyle=style, label=label)
            for x, (model, start) in enumerate(labels):
                trials = main_trials(plan, model, start, decays[plan.name, model, start])
                values = results.metric_values(trials, metric)
                if not values:
                    continue
                found, colour = bootstrap(np.median, values), _COLOURS[model]
                filled = colour if start == STARTS[0] else "white"
                axes.vlines(x, found.low, found.high, color=colour, linewidth=2)
                axes.plot([x], [found.value], "o", color=colour, markerfacecolor=filled, zorder=3)
                axes.scatter(np.full(len(values), x + 0.2), values, s=8, color=colour)
            axes.set_title(f"{plan.title}, {metric}", loc="left", fontsize=11)
            axes.set_xticks(range(len(labels)), labels.values(), fontsize=7.5)
            axes.set_xlim(-0.5, len(labels) - 0.5)
        panels[0].legend(frameon=False)

    svg.write(path, "Fine-tuned models on six tasks", 11, 6.4, plot)


def growth(
    results: BookResults,
    decays: dict[tuple[str, str, str], float],
    names: Mapping[str, str],
    path: Path,
) -> None:
    """A panel a task: the mean of the main metric against the part of pre-training."""

    def plot(figure: "Figure") -> None:
        panels = figure.subplots(1, len(experiment.GROWTH), squeeze=False)[0]
        for axes, plan in zip(panels, experiment.growth_tasks(), strict=True):
            metric = results.main_metric(plan)
            for model, name in names.items():
                decay = decays[plan.name, model, STARTS[0]]
                runs = [
                    *growth_trials(plan, model, decay),
                    main_trials(plan, model, STARTS[0], decay),
                ]
                found = [results.metric_values(run, metric) for run in runs]
                points = [(1 / n, np.mean(v)) for n, v in zip(SHARES, found, strict=True) if v]
                if points:
                    axes.plot(*zip(*points, strict=True), "o-", color=_COLOURS[model], label=name)
            axes.set_title(f"{plan.title}, {metric}", loc="left", fontsize=11)
            axes.set_xlabel("part of pre-training")
        panels[0].legend(frameon=False)

    svg.write(path, "Fine-tuning after a part of pre-training", 11, 3.8, plot)
