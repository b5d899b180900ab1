"""The results as an SVG file."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.evidence import svg
from experiments.evidence.estimates import bootstrap
from experiments.finetuning.baselines import LEXICAL, TRIVIAL, Baselines
from experiments.finetuning.experiment import MODELS, STARTS, Finetuning, TaskPlan
from experiments.finetuning.results import FinetuningResults
from lvbert_tf.search.report import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = dict(zip(MODELS, (drawing.SEARCH, drawing.RANDOM), strict=True))
_LABELS = {
    (model, start): f"{name}\n{start}"
    for model, name in zip(MODELS, ("LV-BERT", "AF x 12"), strict=True)
    for start in STARTS
}
_STYLES = {TRIVIAL: (":", "always the same"), LEXICAL: ("--", "words alone")}


def by_task(
    results: FinetuningResults,
    baselines: dict[str, Baselines],
    metrics: dict[TaskPlan, str],
    path: Path,
) -> None:
    """A panel a task: every trial, the medians with their intervals, and the baselines."""

    def plot(figure: "Figure") -> None:
        panels = figure.subplots(2, -(-len(metrics) // 2), squeeze=False).flat
        for axes, (plan, metric) in zip(panels, metrics.items(), strict=False):
            for baseline, (style, label) in _STYLES.items():
                value = baselines[plan.name][baseline][metric]
                axes.axhline(value, color=drawing.GREY, linestyle=style, label=label)
            for x, (model, start) in enumerate(_LABELS):
                values = results.metric_values(Finetuning(plan, model, start), metric)
                if not values:
                    continue
                found, colour = bootstrap(np.median, values), _COLOURS[model]
                filled = colour if start == STARTS[0] else "white"
                axes.vlines(x, found.low, found.high, color=colour, linewidth=2)
                axes.plot([x], [found.value], "o", color=colour, markerfacecolor=filled, zorder=3)
                axes.scatter(np.full(len(values), x + 0.2), values, s=8, color=colour)
            axes.set_title(f"{plan.title}, {metric}", loc="left", fontsize=11)
            axes.set_xticks(range(len(_LABELS)), _LABELS.values(), fontsize=7.5)
            axes.set_xlim(-0.5, len(_LABELS) - 0.5)
        panels[0].legend(frameon=False)

    svg.write(path, "Fine-tuned models on six tasks", 11, 6.4, plot)
