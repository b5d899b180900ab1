"""Everything that docs/search.md shows, from the results of all trainings."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import processor
from experiments.search import experiment, plots, tables
from experiments.search.experiment import SUPERNETS
from experiments.search.results import SearchResults, processor_hours
from experiments.search.schedule import compared_strings
from experiments.search.searching import curves


def report(output_dir: Path, plots_dir: Path, objectives: Sequence[str]) -> str:
    """Runs the searches over the known scores, draws the plots, and makes the tables.

    Args:
      output_dir: the directory of the experiment, in which every training is complete.
      plots_dir: where the plots go.
      objectives: what was trained.

    Returns:
      Markdown.
    """
    parts: list[str] = []
    for objective in objectives:
        results = SearchResults(output_dir, objective)
        plots.ranking(results, plots_dir / f"search_ranking_{objective}.svg")
        parts += [
            f"## {objective}: the supernet's ranking, {len(results.strings)} strings",
            tables.ranking(results),
            "### Standard deviations",
            tables.noise(results),
            "### Tau of each fitness with each metric of the strings trained by themselves",
            tables.fitness_by_metric(results),
            "### The strings",
            tables.strings(results),
        ]
        if objective == experiment.SEARCHED:
            parts += _searches(results, plots_dir)
    hours = processor_hours(output_dir, objectives)
    parts.append(f"{hours:.2f} processor hours of training and scoring; {processor()}")
    return "\n\n".join(parts)


def _searches(results: SearchResults, plots_dir: Path) -> list[str]:
    runs, best = {}, {}
    for label, supernet in SUPERNETS[results.objective].items():
        scores, directory = results.supernets[supernet], results.output_dir / "searches"
        runs[label] = {
            sampler: curves(directory / supernet.name, scores, sampler)
            for sampler in ("evolution", "random")
        }
        loss = experiment.SEARCH["fitness"]
        best[label] = min(scores_of_string[loss] for scores_of_string in scores.values())
    plots.samplers(runs, best, plots_dir / "search_samplers.svg")
    compared = compared_strings(results.output_dir)
    return [
        "### The favourites",
        tables.favourites(results),
        f"## Evolution and random search, {len(experiment.SEARCH_SEEDS)} seeds",
        tables.samplers(runs, best),
        f"## Trained by themselves, {len(experiment.COMPARISON_SEEDS)} seeds",
        tables.comparison(results, compared),
    ]
