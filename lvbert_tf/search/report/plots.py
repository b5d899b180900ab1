"""The plots of a report: each takes the findings and gives SVG."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from lvbert_tf.search.candidate import DIRECTIONS, Candidate, ranked
from lvbert_tf.search.report import drawing
from lvbert_tf.search.report.findings import Findings
from lvbert_tf.search.report.quantities import quantity
from lvbert_tf.search.report.references import SANDWICH
from lvbert_tf.search.report.statistics import best_so_far, expected_best, layer_shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LETTERS = 32  # layers whose letters fit into their bars
_FAR = 3.0  # interquartile ranges beyond the quartiles: outside the plot of the fronts


def progress(findings: Findings) -> Markup:
    """The best fitness after each evaluation, of the search and of random search."""

    def plot(figure: "Figure") -> None:
        axes = _fitness_axes(figure.subplots(), findings)
        _draw_best_so_far(axes, findings, findings.candidates, "the search", drawing.SEARCH)
        if findings.random_search:
            _draw_best_so_far(axes, findings, findings.random, "random search", drawing.RANDOM)
        losses = findings.losses(findings.finite(findings.random))
        if len(losses):
            axes.plot(
                np.arange(1, len(losses) + 1),
                findings.fitness(expected_best(losses)),
                color=drawing.RANDOM,
                linestyle=(0, (4, 2)),
                label="random strings, expected",
            )
        for candidate, style in zip(_shown(findings), drawing.REFERENCE_STYLES, strict=False):
            value = candidate.metric(findings.settings.fitness)
            label = f"{candidate.origin}, {quantity(findings.settings.fitness).text(value)}"
            axes.axhline(value, color=drawing.GREY, linestyle=style, linewidth=1.2, label=label)
        axes.set(xlabel="evaluations (strings scored)", xlim=(0, len(findings.candidates) + 1))
        _legend_above(axes)

    return drawing.svg("Best fitness by number of evaluations", 10, 4.6, plot)


def generations(findings: Findings) -> Markup:
    """How the fitness is distributed in each generation."""
    from matplotlib.ticker import MaxNLocator

    def plot(figure: "Figure") -> None:
        axes = _fitness_axes(figure.subplots(), findings)
        by_generation: dict[int, list[Candidate]] = {}
        for candidate in findings.finite(findings.candidates):
            by_generation.setdefault(findings.generation(candidate), []).append(candidate)
        if not by_generation:
            drawing.says_nothing(axes, "every candidate diverged")
            return
        at = np.array(list(by_generation))
        losses = [findings.losses(group) for group in by_generation.values()]
        best = findings.fitness(np.array([each.min() for each in losses]))
        fifth, low, median, high, last = findings.fitness(
            np.array([np.quantile(each, (0.05, 0.25, 0.5, 0.75, 0.95)) for each in losses]).T
        )
        # Not axes.boxplot: it would start the user's backend for windows.
        axes.vlines(at, fifth, last, color=drawing.SEARCH, zorder=0.9)
        axes.bar(at, high - low, 0.6, low, facecolor="#B9D9EC", edgecolor=drawing.SEARCH)
        axes.hlines(median, at - 0.3, at + 0.3, color="black")
        axes.plot(at, best, "o", color=drawing.SEARCH, markersize=4, label="best")
        if random := findings.finite(findings.random):
            quartiles = np.quantile(findings.losses(random), (0.25, 0.5, 0.75))
            low, middle, high = findings.fitness(quartiles)
            axes.axhspan(low, high, color=drawing.RANDOM, alpha=0.15, linewidth=0, zorder=0)
            axes.axhline(
                middle, color=drawing.RANDOM, linestyle=(0, (4, 2)), label="random strings"
            )
        axes.set(xlabel="generation", xlim=(at.min() - 0.7, at.max() + 0.7))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend_above(axes)

    return drawing.svg("Distribution of the fitness by generation", 10, 4.2, plot)


def layer_types(findings: Findings) -> Markup:
    """Which layer types stand at which depth, among the best and among random strings."""

    def plot(figure: "Figure") -> None:
        groups = {
            f"the best {len(findings.among_the_best):,} strings": findings.among_the_best,
            f"{len(findings.random):,} random strings": findings.random,
        }
        panels = figure.subplots(2, sharex=True, sharey=True)
        for axes, (title, group) in zip(panels, groups.items(), strict=True):
            axes.set_title(title, loc="left", fontsize=11)
            axes.set(ylabel="share of strings", ylim=(0, 1))
            axes.grid(visible=False)
            if group:
                _draw_shares(axes, layer_shares(group, findings.space.layer_types), findings)
            else:
                drawing.says_nothing(axes, "none")
        panels[1].set(xlabel="layer, counted from the embeddings")
        handles, labels = panels[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False)

    return drawing.svg("Layer types by depth", 10, 4.8, plot)


def fronts(findings: Findings) -> Markup:
    """The fitness against each cost, and the Pareto front of the two."""

    def plot(figure: "Figure") -> None:
        panels = figure.subplots(1, len(findings.fronts), sharey=True, squeeze=False)[0]
        for axes, (cost, front) in zip(panels, findings.fronts.items(), strict=True):
            _draw_front(axes, findings, cost, front)
        _fitness_axes(panels[0], findings)
        _limit_fitness(panels[0], findings)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)

    return drawing.svg("Pareto fronts of the fitness against costs", 10, 4.8, plot)


def _fitness_axes(axes: "Axes", findings: Findings) -> "Axes":
    better = "lower" if DIRECTIONS[findings.settings.fitness] == "minimize" else "higher"
    axes.set_ylabel(f"{quantity(findings.settings.fitness).axis}\n{better} is better")
    return axes


def _legend_above(axes: "Axes") -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)


def _draw_best_so_far(
    axes: "Axes", findings: Findings, candidates: Iterable[Candidate], label: str, colour: str
) -> None:
    best = best_so_far(findings.losses(candidates))
    best[~np.isfinite(best)] = np.nan
    evaluations = np.arange(1, len(best) + 1)
    axes.step(evaluations, findings.fitness(best), where="post", color=colour, label=label)
    axes.plot(evaluations[-1:], findings.fitness(best[-1:]), "o", color=colour, markersize=4)


def _shown(findings: Findings) -> list[Candidate]:
    """The references that have a line or a marker: of the sandwich orders the best."""
    finite = ranked(findings.finite(findings.baselines), findings.settings.fitness)
    sandwich = next((candidate for candidate in finite if candidate.origin == SANDWICH), None)
    return [
        candidate
        for candidate in findings.finite(findings.baselines)
        if candidate.origin != SANDWICH or candidate is sandwich
    ]


def _draw_shares(axes: "Axes", shares: np.ndarray, findings: Findings) -> None:
    depths = np.arange(1, shares.shape[1] + 1)
    bottom = np.zeros(shares.shape[1])
    for layer_type, share in zip(findings.space.layer_types, shares, strict=True):
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


def _draw_front(axes: "Axes", findings: Findings, cost: str, front: list[Candidate]) -> None:
    from matplotlib.ticker import EngFormatter

    fitness = findings.settings.fitness
    finite = findings.finite(findings.candidates)
    bred = [candidate for candidate in finite if candidate.origin != "random"]
    drawn = [candidate for candidate in finite if candidate.origin == "random"]
    for group, colour, label in (
        (bred, drawing.SEARCH, "bred by the search"),
        (drawn, drawing.RANDOM, "random"),
    ):
        axes.scatter(
            [candidate.metric(cost) for candidate in group],
            [candidate.metric(fitness) for candidate in group],
            s=18,
            alpha=0.35,
            color=colour,
            linewidth=0,
            label=label,
        )
    axes.plot(
        [candidate.metric(cost) for candidate in front],
        [candidate.metric(fitness) for candidate in front],
        "o-",
        drawstyle="steps-post",
        color="black",
        markersize=5,
        linewidth=1.2,
        label="Pareto front",
    )
    best = findings.best
    if best in finite:
        axes.plot(
            [best.metric(cost)],
            [best.metric(fitness)],
            "*",
            color="#F0E442",
            markeredgecolor="black",
            markersize=15,
            linestyle="",
            label="best string",
        )
    for candidate, marker in zip(_shown(findings), drawing.REFERENCE_MARKERS, strict=False):
        if cost in ("parameters", "flops", *candidate.scores):
            axes.plot(
                [candidate.metric(cost)],
                [candidate.metric(fitness)],
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


def _limit_fitness(axes: "Axes", findings: Findings) -> None:
    """Leaves strings out of the plot that are so bad that the others would be on one line."""
    losses = findings.losses(findings.finite(findings.candidates))
    if not len(losses):
        return
    low, high = np.quantile(losses, (0.25, 0.75))
    shown = [*findings.losses(_shown(findings)), losses.min(), high + _FAR * (high - low)]
    if losses.max() > max(shown) > min(shown):
        margin = 0.05 * (max(shown) - min(shown))
        ends = np.array([min(shown) - margin, max(shown) + margin])
        axes.set_ylim(*sorted(findings.fitness(ends)))
