"""The results as SVG files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.evidence import svg
from experiments.search import experiment, statistics
from experiments.search.results import SearchResults
from lvbert_tf.search.report import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {"evolution": drawing.SEARCH, "random": drawing.RANDOM}


def ranking(results: SearchResults, path: Path) -> None:
    """The loss in each supernet against the loss of the string trained by itself."""
    supernets = list(experiment.SUPERNETS[results.objective].values())
    loss = results.fitness[0]

    def plot(figure: "Figure") -> None:
        panels = figure.subplots(1, len(supernets), sharey=True, squeeze=False)[0]
        alone = results.alone_losses(loss)
        for axes, supernet in zip(panels, supernets, strict=True):
            predicted = results.supernet_losses(supernet, loss)
            axes.scatter(predicted, alone, s=28, color=drawing.SEARCH, linewidth=0, zorder=2)
            for string, x, y in zip(results.strings, predicted, alone, strict=True):
                seeds = results.alone(string, loss)
                axes.vlines(x, min(seeds), max(seeds), color=drawing.GREY, linewidth=1)
                if string == experiment.BASELINE:
                    axes.plot([x], [y], "s", color=drawing.RANDOM, markersize=8)
                    axes.annotate(string, (x, y), (-6, 6), textcoords="offset points", ha="right")
            tau = statistics.kendall(predicted, alone)
            axes.set_title(f"{supernet.label} paths, tau {tau:.2f}", loc="left", fontsize=11)
            axes.set_xlabel(f"held-out {loss} in the supernet")
        panels[0].set_ylabel(f"held-out {loss}, trained alone")

    svg.write(path, "Loss in the supernet against loss alone", 10, 4.4, plot)


def samplers(curves: Mapping[str, Mapping[str, np.ndarray]], best: Mapping[str, float], path: Path):
    """The best fitness by number of evaluations: mean over the seeds and the middle 90%."""

    def plot(figure: "Figure") -> None:
        panels = figure.subplots(1, len(curves), squeeze=False)[0]
        for axes, (label, by_sampler) in zip(panels, curves.items(), strict=True):
            for sampler, runs in by_sampler.items():
                evaluations = np.arange(1, runs.shape[1] + 1)
                low, high = np.quantile(runs, (0.05, 0.95), axis=0)
                colour = _COLOURS[sampler]
                axes.fill_between(evaluations, low, high, color=colour, alpha=0.15, linewidth=0)
                axes.plot(evaluations, runs.mean(axis=0), color=colour, label=sampler)
            axes.axhline(best[label], color=drawing.GREY, linestyle="--", label="best there is")
            axes.set_title(f"{label} paths", loc="left", fontsize=11)
            axes.set(xlabel="evaluations (strings scored)", ylabel="best disc_loss in the supernet")
            axes.legend(frameon=False)

    svg.write(path, "Evolution and random search", 10, 4.2, plot)
