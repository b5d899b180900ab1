"""The programs that are run: records, pre-training, fine-tuning."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from experiments.evidence.jobs import ROOT, Job, JobRunner, program_job
from experiments.finetuning import experiment
from experiments.finetuning.experiment import TaskPlan
from experiments.finetuning.results import Trials, trial_file
from experiments.finetuning.sources import WIKIPEDIA, lay_out

_ADDRESSES = ROOT / "data" / "sotu.jsonl.gz"


class Pretraining(Protocol):
    """A pre-training run: the name of its model directory, and the hyperparameters."""

    @property
    def model_name(self) -> str: ...

    @property
    def hparams(self) -> dict[str, Any]: ...


def train_all(
    runner: JobRunner,
    sources: Path,
    tasks: Iterable[TaskPlan],
    pretrainings: Iterable[Pretraining],
    finetunings: Iterable[Trials],
) -> None:
    """Does whatever is not done: data, then pre-training, then fine-tuning.

    Args:
      runner: runs the programs.
      sources: the published files; docs/finetuning.md lists them.
      tasks: the tasks whose files are laid out.
      pretrainings, finetunings: what is trained.

    Raises:
      InputError: a source is missing, or a program failed or was stopped.
    """
    output_dir = runner.output_dir
    for plan in tasks:
        lay_out(plan, sources, output_dir / "finetuning_data" / plan.name)
    for stage in (
        [records(output_dir, sources)],
        [pretraining(output_dir, run) for run in pretrainings],
        [fine_tuning(output_dir, trials) for trials in finetunings],
    ):
        for job in stage:
            runner.submit(job)
        runner.finish()


def records(output_dir: Path, sources: Path) -> Job:
    """Learns the vocabulary and builds the records of pre-training."""
    directory = output_dir / "pretrain_tfrecords"
    flags = {
        "corpus_dir": f"{_ADDRESSES},{sources / WIKIPEDIA}",
        "vocab_file": output_dir / "vocab.txt",
        "learn_vocab_size": experiment.VOCABULARY_SIZE,
        "output_dir": directory,
        "max_seq_length": experiment.LENGTH,
        "held_out_fraction": experiment.HELD_OUT_FRACTION,
    }
    results = [directory / "manifest.json"]
    return program_job("records", "build_pretraining_dataset.py", flags, results)


def pretraining(output_dir: Path, run: Pretraining) -> Job:
    """Pre-trains a model, evaluates it on held-out records, and saves its preset."""
    directory = output_dir / "models" / run.model_name
    return program_job(
        f"pretraining-{run.model_name}",
        "run_pretraining.py",
        _flags(output_dir, run),
        [directory / "eval.json", directory / "preset"],
    )


def fine_tuning(output_dir: Path, trials: Trials) -> Job:
    """Fine-tunes a model on a task, all trials."""
    numbers = range(1, trials.num_trials + 1)
    return program_job(
        trials.name,
        "run_finetuning.py",
        _flags(output_dir, trials),
        [trial_file(output_dir, trials, number) for number in numbers],
    )


def _flags(output_dir: Path, run: Pretraining | Trials) -> dict[str, object]:
    hparams = json.dumps(run.hparams)
    return {"data_dir": output_dir, "model_name": run.model_name, "hparams": hparams}
