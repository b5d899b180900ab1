"""Trainings in worker processes: in which order, and what they gave."""

import json
import multiprocessing
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from tqdm import tqdm

from experiments.search import experiment
from experiments.search.experiment import (
    ABLATION,
    BASELINE,
    FIRST_SEED,
    SEARCHED,
    SUPERNETS,
    Alone,
    Shared,
)
from experiments.search.searching import winner
from experiments.search.training import (
    reference,
    result_path,
    start_worker,
    train_and_score,
)

Scores = Mapping[str, Mapping[str, float]]
"""By string and figure."""


class Schedule:
    """Runs trainings, each once, `jobs` at a time; the results are files.

    Args:
      output_dir: of the benchmark.
      jobs: worker processes.
    """

    def __init__(self, output_dir: Path, jobs: int):
        self.output_dir = output_dir
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(jobs, context, start_worker)
        self._futures: dict[str, Future] = {}
        self._bar = tqdm(desc="trainings", unit="training", total=0)

    def __enter__(self) -> "Schedule":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is not None:  # the workers save and leave
            for child in multiprocessing.active_children():
                child.terminate()
        self._pool.shutdown(cancel_futures=kind is not None)
        self._bar.close()

    def submit(self, training: Alone | Shared, strings: Iterable[str] = ()) -> None:
        """Trains and scores as soon as a worker is free, unless that was done."""
        if training.name in self._futures or result_path(self.output_dir, training).exists():
            return
        self._bar.total = len(self._futures) + 1
        future = self._pool.submit(train_and_score, self.output_dir, training, list(strings))
        future.add_done_callback(lambda _: self._bar.update())
        self._futures[training.name] = future

    def finish(self, training: Alone | Shared) -> None:
        """Waits for a training that was submitted."""
        if training.name in self._futures:
            self._futures[training.name].result()

    def wait(self) -> None:
        """For everything that was submitted."""
        for future in list(self._futures.values()):
            future.result()


def read_scores(output_dir: Path, training: Alone | Shared) -> Scores:
    """The scores of a training that is complete."""
    text = result_path(output_dir, training).read_text(encoding="utf-8")
    return json.loads(text)["scores"]


def measured_strings(output_dir: Path, objective: str) -> list[str]:
    """The strings that are compared with the supernets: chosen beforehand, and favourites.

    Favourites only where there are searches.
    """
    first = experiment.random_strings()
    if objective != SEARCHED:
        return first
    tables = [read_scores(output_dir, supernet) for supernet in SUPERNETS[objective].values()]
    return [*first, *experiment.top_strings(tables, objective, first)]


def compared_strings(output_dir: Path) -> dict[str, str]:
    """The strings that are trained with several seeds, by what chose them."""
    searched = SUPERNETS[SEARCHED]["uniform"]
    return {
        f"A and F in turn ({BASELINE})": BASELINE,
        **{
            f"search over {', '.join(supernet.layer_types)}": winner(
                output_dir / "searches" / supernet.name,
                read_scores(output_dir, supernet),
                supernet.layer_types,
            )
            for supernet in (searched, ABLATION)
        },
    }


def run_all(output_dir: Path, jobs: int, objectives: Iterable[str]) -> None:
    """Trains and scores all that the report needs."""
    with Schedule(output_dir, jobs) as schedule:
        for objective in objectives:
            _submit_objective(schedule, objective)
        schedule.wait()


def _submit_objective(schedule: Schedule, objective: str) -> None:
    first = experiment.random_strings()
    schedule.submit(reference(objective))
    schedule.finish(reference(objective))  # its generator makes what the others are scored on
    if objective == SEARCHED:
        _submit_supernets_of_whole_space(schedule)
    for string in first:
        schedule.submit(Alone(objective, string, FIRST_SEED))
    if objective == SEARCHED:
        for supernet in (*SUPERNETS[SEARCHED].values(), ABLATION):
            schedule.finish(supernet)

    strings = measured_strings(schedule.output_dir, objective)
    for string in strings:
        schedule.submit(Alone(objective, string, FIRST_SEED))
    if objective == SEARCHED:
        for string in compared_strings(schedule.output_dir).values():
            for seed in experiment.COMPARISON_SEEDS:
                schedule.submit(Alone(objective, string, seed))
    for string in strings[: experiment.SECOND_SEEDS[objective]]:
        schedule.submit(Alone(objective, string, FIRST_SEED + 1))
    for supernet in (*SUPERNETS[objective].values(), *experiment.trials(objective)):
        schedule.submit(supernet, strings)


def _submit_supernets_of_whole_space(schedule: Schedule) -> None:
    for supernet in (*SUPERNETS[SEARCHED].values(), ABLATION):
        space = experiment.search_space(supernet.layer_types)
        schedule.submit(supernet, experiment.all_strings(space))
