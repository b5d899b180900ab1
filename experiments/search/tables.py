"""The results as Markdown tables."""

from collections.abc import Mapping

import numpy as np

from experiments.evidence.estimates import Estimate, bootstrap, mean_estimate
from experiments.evidence.tables import markdown
from experiments.search import experiment, statistics
from experiments.search.results import SearchResults
from lvbert_tf.architecture.layer_string import LayerString

MILESTONES = (10, 20, 40, 60, 80, 110)
"""Evaluations after which searches are compared."""


def noise(results: SearchResults) -> str:
    """How much strings differ, how much seeds of a string do, and what tau that leaves attainable."""
    rows = []
    for metric in results.fitness:
        losses = results.alone_losses(metric)
        groups = [results.alone(string, metric) for string in results.strings]
        within = statistics.pooled_deviation(groups)
        errors = within / np.sqrt([len(group) for group in groups])
        better = statistics.top_half(losses)
        deviations = [losses.std(ddof=1), losses[better].std(ddof=1), within]
        taus = [
            statistics.attainable(losses, errors),
            statistics.attainable(losses[better], errors[better]),
        ]
        rows.append((metric, *(f"{d:.4f}" for d in deviations), *(f"{tau:.2f}" for tau in taus)))
    header = ("between strings", "of the better half", "between seeds")
    return markdown(("", *header, "attainable tau", "in the better half"), rows)


def ranking(results: SearchResults) -> str:
    """How well each supernet's scores rank the strings."""
    rows = []
    for supernet in results.supernets:
        for metric in results.fitness:
            predicted = results.supernet_losses(supernet, metric)
            losses = results.alone_losses(metric)
            better = statistics.top_half(losses)
            estimates = [
                bootstrap(statistic, predicted[chosen], losses[chosen])
                for chosen in (np.arange(len(losses)), better)
                for statistic in (statistics.kendall, statistics.spearman)
            ]
            choice = statistics.choose(predicted, results.alone_losses(results.fitness[0]))
            rows.append(
                (
                    supernet.label,
                    metric,
                    *map(Estimate.shown, estimates),
                    results.strings[choice.index],
                    choice.place,
                    f"{choice.regret:.4f}",
                )
            )
    header = (
        *("supernet", "fitness", "tau", "rho", "tau, better half", "rho, better half"),
        *("chosen", "place", f"regret, {results.fitness[0]}"),
    )
    return markdown(header, rows)


def fitness_by_metric(results: SearchResults) -> str:
    """Kendall's tau of each metric of a supernet with each of the strings trained by themselves."""
    rows = []
    for label in experiment.SUPERNETS[results.objective]:
        supernet = experiment.SUPERNETS[results.objective][label]
        for fitness in results.fitness:
            predicted = results.supernet_losses(supernet, fitness)
            taus = [
                statistics.kendall(predicted, results.alone_losses(metric))
                for metric in results.fitness
            ]
            rows.append((label, fitness, *(f"{tau:.3f}" for tau in taus)))
    return markdown(("supernet", "fitness", *results.fitness), rows)


def strings(results: SearchResults) -> str:
    """Every string that was trained by itself, from best to worst, and what the supernets say."""
    loss, space = results.fitness[0], experiment.search_space()
    supernets = experiment.SUPERNETS[results.objective].values()
    order = np.argsort(results.alone_losses(loss), kind="stable")
    rows = []
    for index in order:
        string = results.strings[index]
        by_metric = [results.alone(string, metric) for metric in results.fitness]
        rows.append(
            (
                string,
                f"{space.parameters(LayerString(string)):,}",
                len(by_metric[0]),
                *(f"{np.mean(values):.4f}" for values in by_metric),
                *(f"{results.supernets[net][string][loss]:.4f}" for net in supernets),
            )
        )
    header = ("string", "parameters", "seeds", *results.fitness)
    return markdown((*header, *(f"{loss} in {net.label}" for net in supernets)), rows)


def samplers(curves: Mapping[str, Mapping[str, np.ndarray]], best: Mapping[str, float]) -> str:
    """The best fitness after so many evaluations, the mean over seeds.

    Args:
      curves: [seeds, evaluations], by supernet and sampler.
      best: of the whole space, by supernet.
    """
    rows = []
    for label, by_sampler in curves.items():
        for sampler, runs in by_sampler.items():
            final = mean_estimate(runs[:, -1]).shown(5)
            found = np.mean(runs[:, -1] <= best[label])
            means = [f"{runs[:, milestone - 1].mean():.5f}" for milestone in MILESTONES[:-1]]
            rows.append((label, sampler, *means, final, f"{found:.0%}"))
        both = by_sampler["evolution"][:, -1], by_sampler["random"][:, -1]
        gain = statistics.difference_estimate(*both)
        rows.append((label, "difference", *[""] * (len(MILESTONES) - 1), gain.shown(5), ""))
        rows.append(
            (label, "best there is", *[""] * (len(MILESTONES) - 1), f"{best[label]:.5f}", "")
        )
    return markdown(("supernet", "sampler", *MILESTONES, "found the best"), rows)


def comparison(results: SearchResults, compared: Mapping[str, str]) -> str:
    """The strings that were found against A and F in turn, trained by themselves."""
    space, baseline = experiment.search_space(), experiment.BASELINE
    rows = []
    for what, string in compared.items():
        row = [what, string, f"{space.parameters(LayerString(string)):,}"]
        row.append(f"{space.flops(LayerString(string)) / 1e6:.1f}")
        for metric in results.fitness:
            row.append(mean_estimate(results.alone(string, metric)).shown(4))
        pair = [results.alone(s, results.fitness[0]) for s in (string, baseline)]
        gain = statistics.difference_estimate(*pair)
        row.append("" if string == baseline else gain.shown(4))
        rows.append(row)
    drawn = experiment.random_strings()[1:]
    means = (
        np.array([np.mean(results.alone(s, metric)) for s in drawn]) for metric in results.fitness
    )
    estimates = [mean_estimate(values).shown(4) for values in means]
    rows.append(["strings drawn at random", str(len(drawn)), "", "", *estimates, ""])
    header = ("", "string", "parameters", "MFLOPs", *results.fitness)
    return markdown((*header, f"{results.fitness[0]}, minus A and F in turn"), rows)


def favourites(results: SearchResults) -> str:
    """The strings that each supernet ranks highest of its whole space."""
    loss, rows = results.fitness[0], []
    for supernet in experiment.SUPERNETS[results.objective].values():
        best = experiment.best_first(results.supernets[supernet], loss)
        rows.append((supernet.label, ", ".join(best[:5]), 1 + best.index(experiment.BASELINE)))
    header = ("supernet", f"the best by {loss}", f"place of {experiment.BASELINE} of {len(best)}")
    return markdown(header, rows)
