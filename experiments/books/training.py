"""The programs that are run: records, pre-training, fine-tuning, with what earlier ones chose."""

from collections.abc import Iterable
from pathlib import Path

from experiments.books import experiment
from experiments.books.experiment import Pretraining
from experiments.books.results import BookResults
from experiments.books.sources import hold_out
from experiments.evidence.jobs import Job, JobRunner, program_job
from experiments.finetuning.sources import lay_out
from experiments.finetuning.training import fine_tuning, pretraining


def train_all(runner: JobRunner, sources: Path) -> None:
    """Does whatever is not done.

    Args:
      runner: runs the programs.
      sources: the published files; docs/finetuning.md lists them.

    Raises:
      InputError: a source is missing, or a program failed or was stopped.
    """
    output_dir = runner.output_dir
    results = BookResults(output_dir)
    choosing = results.choosing.output_dir
    for plan in experiment.TASKS:
        folder = output_dir / "finetuning_data" / plan.name
        lay_out(plan, sources, folder)
        hold_out(
            folder, choosing / "finetuning_data" / plan.name, experiment.MOST_ROWS_TO_CHOOSE_BY
        )
    _do(runner, [records(output_dir, sources)])
    _do(runner, [pretraining(output_dir, run) for run in experiment.rate_trials()])
    chosen = [Pretraining(model, results.best_rate(model)) for model in experiment.MODELS]
    _do(runner, [pretraining(output_dir, run) for run in chosen])
    _do(runner, [fine_tuning(choosing, run) for run in experiment.all_decay_trials()])
    runs = experiment.finetunings(results.best_decays())
    _do(runner, [fine_tuning(output_dir, run) for run in runs])


def _do(runner: JobRunner, stage: Iterable[Job]) -> None:
    for job in stage:
        runner.submit(job)
    runner.finish()


def records(output_dir: Path, sources: Path) -> Job:
    """Learns the vocabulary and builds the records of pre-training."""
    directory = output_dir / "pretrain_tfrecords"
    flags = {
        "corpus_dir": sources / "books",
        "vocab_file": output_dir / "vocab.txt",
        "learn_vocab_size": experiment.VOCABULARY_SIZE,
        "output_dir": directory,
        "max_seq_length": experiment.LENGTH,
        "held_out_fraction": experiment.HELD_OUT_FRACTION,
        "num_processes": 2,  # which does not change them
    }
    return program_job(
        "records", "build_pretraining_dataset.py", flags, [directory / "manifest.json"]
    )
