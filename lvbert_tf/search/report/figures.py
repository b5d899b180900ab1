"""The plots of a report: each takes the results and gives SVG."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from lvbert_tf.search.candidate import DIRECTIONS, Candidate, ranked
from lvbert_tf.search.report import drawing
from lvbert_tf.search.report.quantities import quantity
from lvbert_tf.search.report.references import SANDWICH
from lvbert_tf.search.report.results import Results
from lvbert_tf.search.report.statistics import best_so_far, expected_best, layer_shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LETTERS = 32  # layers whose letters fit into their bars
_FAR = 3.0  # interquartile ranges beyond the quartiles: outside the plot of the fronts


def progress(results: Results) -> Markup:
    """The best fitness after each evaluation, of the search and of random search."""

    def plot(figure: "Figure") -> None:
        axes = _fitness_axes(figure.subplots(), results)
        _draw_best_so_far(axes, results, results.candidates, "the search", drawing.SEARCH)
        if results.random_search:
            _draw_best_so_far(axes, results, results.random, "random search", drawing.RANDOM)
        losses = results.losses(results.finite(results.random))
        if len(losses):
            axes.plot(
                np.arange(1, len(losses) + 1),
                results.fitness(expected_best(losses)),
                color=drawing.RANDOM,
                linestyle=(0, (4, 2)),
                label="random strings, expected",
            )
        for candidate, style in zip(_shown(results), drawing.REFERENCE_STYLES, strict=False):
            value = candidate.figure(results.settings.fitness)
            label = f"{candidate.origin}, {quantity(results.settings.fitness).text(value)}"
            axes.axhline(value, color=drawing.GREY, linestyle=style, linewidth=1.2, label=label)
        axes.set(xlabel="evaluations (strings scored)", xlim=(0, len(results.candidates) + 1))
        _legend_above(axes)

    return drawing.svg("Best fitness by number of evaluations", 10, 4.6, plot)


def generations(results: Results) -> Markup:
    """How the fitness is distributed in each generation."""
    from matplotlib.ticker import MaxNLocator

    def plot(figure: "Figure") -> None:
        axes = _fitness_axes(figure.subplots(), results)
        by_generation: dict[int, list[Candidate]] = {}
        for candidate in results.finite(results.candidates):
            by_generation.setdefault(results.generation(candidate), []).append(candidate)
        if not by_generation:
            drawing.says_nothing(axes, "every candidate diverged")
            return
        at = np.array(list(by_generation))
        losses = [results.losses(group) for group in by_generation.values()]
        best = results.fitness(np.array([each.min() for each in losses]))
        fifth, low, median, high, last = results.fitness(
            np.array([np.quantile(each, (0.05, 0.25, 0.5, 0.75, 0.95)) for each in losses]).T
        )
        # Not axes.boxplot: it would start the user's backend for windows.
        axes.vlines(at, fifth, last, color=drawing.SEARCH, zorder=0.9)
        axes.bar(at, high - low, 0.6, low, facecolor="#B9D9EC", edgecolor=drawing.SEARCH)
        axes.hlines(median, at - 0.3, at + 0.3, color="black")
        axes.plot(at, best, "o", color=drawing.SEARCH, markersize=4, label="best")
        if random := results.finite(results.random):
            quartiles = np.quantile(results.losses(random), (0.25, 0.5, 0.75))
            low, middle, high = results.fitness(quartiles)
            axes.axhspan(low, high, color=drawing.RANDOM, alpha=0.15, linewidth=0, zorder=0)
            axes.axhline(
                middle, color=drawing.RANDOM, linestyle=(0, (4, 2)), label="random strings"
            )
        axes.set(xlabel="generation", xlim=(at.min() - 0.7, at.max() + 0.7))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend_above(axes)

    return drawing.svg("Distribution of the fitness by generation", 10, 4.2, plot)


def layer_types(results: Results) -> Markup:
    """Which layer types stand at which depth, among the best and among random strings."""

    def plot(figure: "Figure") -> None:
        groups = {
            f"the best {len(results.among_the_best):,} strings": results.among_the_best,
            f"{len(results.random):,} random strings": results.random,
        }
        panels = figure.subplots(2, sharex=True, sharey=True)
        for axes, (title, group) in zip(panels, groups.items(), strict=True):
            axes.set_title(title, loc="left", fontsize=11)
            axes.set(ylabel="share of strings", ylim=(0, 1))
            axes.grid(visible=False)
            if group:
                _draw_shares(axes, layer_shares(group, results.space.layer_types), results)
            else:
                drawing.says_nothing(axes, "none")
        panels[1].set(xlabel="layer, counted from the embeddings")
        handles, labels = panels[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False)

    return drawing.svg("Layer types by depth", 10, 4.8, plot)


def fronts(results: Results) -> Markup:
    """The fitness against each cost, and the Pareto front of the two."""

    def plot(figure: "Figure") -> None:
        panels = figure.subplots(1, len(results.fronts), sharey=True, squeeze=False)[0]
        for axes, (cost, front) in zip(panels, results.fronts.items(), strict=True):
            _draw_front(axes, results, cost, front)
        _fitness_axes(panels[0], results)
        _limit_fitness(panels[0], results)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)

    return drawing.svg("Pareto fronts of the fitness against costs", 10, 4.8, plot)


def _fitness_axes(axes: "Axes", results: Results) -> "Axes":
    better = "lower" if DIRECTIONS[results.settings.fitness] == "minimize" else "higher"
    axes.set_ylabel(f"{quantity(results.settings.fitness).axis}\n{better} is better")
    return axes


def _legend_above(axes: "Axes") -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)


def _draw_best_so_far(
    axes: "Axes", results: Results, candidates: Iterable[Candidate], label: str, colour: str
) -> None:
    best = best_so_far(results.losses(candidates))
    best[~np.isfinite(best)] = np.nan
    evaluations = np.arange(1, len(best) + 1)
    axes.step(evaluations, results.fitness(best), where="post", color=colour, label=label)
    axes.plot(evaluations[-1:], results.fitness(best[-1:]), "o", color=colour, markersize=4)


def _shown(results: Results) -> list[Candidate]:
    """The references that have a line or a marker: of the sandwich orders the best."""
    finite = ranked(results.finite(results.baselines), results.settings.fitness)
    sandwich = next((candidate for candidate in finite if candidate.origin == SANDWICH), None)
    return [
        candidate
        for candidate in results.finite(results.baselines)
        if candidate.origin != SANDWICH or candidate is sandwich
    ]


def _draw_shares(axes: "Axes", shares: np.ndarray, results: Results) -> None:
    depths = np.arange(1, shares.shape[1] + 1)
    bottom = np.zeros(shares.shape[1])
    for layer_type, share in zip(results.space.layer_types, shares, strict=True):
        bar_colour, letter_colour = drawing.layer_colours(layer_type)
        axes.bar(
            depths,
            share,
            width=0.92,
            bottom=bottom,
            color=bar_colour,
            label=drawing.layer_label(layer_type),
        )
        for depth, low, height in zip(depths, bottom, share, strict=True):
            if height >= 0.15 and len(depths) <= _MOST_LETTERS:
                axes.text(
                    depth,
                    low + height / 2,
                    layer_type,
                    color=letter_colour,
                    ha="center",
                    va="center",
                )
        bottom += share
    axes.set_xlim(0.4, len(depths) + 0.6)
    if len(depths) <= _MOST_LETTERS:
        axes.set_xticks(depths)


def _draw_front(axes: "Axes", results: Results, cost: str, front: list[Candidate]) -> None:
    from matplotlib.ticker import EngFormatter

    fitness = results.settings.fitness
    finite = results.finite(results.candidates)
    bred = [candidate for candidate in finite if candidate.origin != "random"]
    drawn = [candidate for candidate in finite if candidate.origin == "random"]
    for group, colour, label in (
        (bred, drawing.SEARCH, "bred by the search"),
        (drawn, drawing.RANDOM, "random"),
    ):
        axes.scatter(
            [candidate.figure(cost) for candidate in group],
            [candidate.figure(fitness) for candidate in group],
            s=18,
            alpha=0.35,
            color=colour,
            linewidth=0,
            label=label,
        )
    axes.plot(
        [candidate.figure(cost) for candidate in front],
        [candidate.figure(fitness) for candidate in front],
        "o-",
        drawstyle="steps-post",
        color="black",
        markersize=5,
        linewidth=1.2,
        label="Pareto front",
    )
    best = results.best
    if best in finite:
        axes.plot(
            [best.figure(cost)],
            [best.figure(fitness)],
            "*",
            color="#F0E442",
            markeredgecolor="black",
            markersize=15,
            linestyle="",
            label="best string",
        )
    for candidate, marker in zip(_shown(results), drawing.REFERENCE_MARKERS, strict=False):
        if cost in ("parameters", "flops", *candidate.scores):
            axes.plot(
                [candidate.figure(cost)],
                [candidate.figure(fitness)],
                marker,
                color="white",
                markeredgecolor="black",
                markersize=7,
                linestyle="",
                label=candidate.origin,
            )
    axes.set_xlabel(quantity(cost).axis)
    if quantity(cost).is_count:
        axes.xaxis.set_major_formatter(EngFormatter())


def _limit_fitness(axes: "Axes", results: Results) -> None:
    """Leaves strings out of the plot that are so bad that the others would be on one line."""
    losses = results.losses(results.finite(results.candidates))
    if not len(losses):
        return
    low, high = np.quantile(losses, (0.25, 0.75))
    shown = [*results.losses(_shown(results)), losses.min(), high + _FAR * (high - low)]
    if losses.max() > max(shown) > min(shown):
        margin = 0.05 * (max(shown) - min(shown))
        ends = np.array([min(shown) - margin, max(shown) + margin])
        axes.set_ylim(*sorted(results.fitness(ends)))
