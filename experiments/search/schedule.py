"""In which order the trainings run, and what those that are complete gave."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from experiments.evidence.jobs import ROOT, Job, JobRunner, program_job
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
from experiments.search.training import reference, result_path, training_job

Scores = Mapping[str, Mapping[str, float]]
"""Scores by string and by metric."""


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


def run_all(output_dir: Path, num_processes: int, objectives: Iterable[str]) -> None:
    """Builds the records, then trains and scores all that the report needs.

    Raises:
      InputError: a job failed or was stopped.
    """
    with JobRunner(output_dir, num_processes) as runner:
        records = _records(output_dir, num_processes)
        runner.submit(records)
        runner.finish([records])
        for objective in objectives:
            _submit_objective(runner, objective)
        runner.finish()


def _records(output_dir: Path, num_processes: int) -> Job:
    """Learns the vocabulary and builds the records."""
    directory = output_dir / "pretrain_tfrecords"
    flags = {
        "corpus_dir": ROOT / "data" / "sotu.jsonl.gz",
        "vocab_file": output_dir / "vocab.txt",
        "learn_vocab_size": experiment.VOCABULARY_SIZE,
        "output_dir": directory,
        "max_seq_length": experiment.LENGTH,
        "held_out_fraction": experiment.HELD_OUT_FRACTION,
        "num_processes": num_processes,
    }
    results = [directory / "manifest.json"]
    return program_job("records", "build_pretraining_dataset.py", flags, results)


def _submit_objective(runner: JobRunner, objective: str) -> None:
    """Submits the trainings under an objective, in the order in which they depend on each other."""
    output_dir = runner.output_dir

    def submit(training: Alone | Shared, strings: Iterable[str] = ()) -> Job:
        job = training_job(output_dir, training, strings)
        runner.submit(job)
        return job

    first = experiment.random_strings()
    # Its generator makes what all others are scored on.
    runner.finish([submit(reference(objective))])
    whole = []
    if objective == SEARCHED:
        for supernet in (*SUPERNETS[SEARCHED].values(), ABLATION):
            space = experiment.search_space(supernet.layer_types)
            whole.append(submit(supernet, experiment.all_strings(space)))
    for string in first:
        submit(Alone(objective, string, FIRST_SEED))
    runner.finish(whole)

    strings = measured_strings(output_dir, objective)
    for string in strings:
        submit(Alone(objective, string, FIRST_SEED))
    if objective == SEARCHED:
        for string in compared_strings(output_dir).values():
            for seed in experiment.COMPARISON_SEEDS:
                submit(Alone(objective, string, seed))
    for string in strings[: experiment.SECOND_SEEDS[objective]]:
        submit(Alone(objective, string, FIRST_SEED + 1))
    for supernet in (*SUPERNETS[objective].values(), *experiment.trials(objective)):
        submit(supernet, strings)
