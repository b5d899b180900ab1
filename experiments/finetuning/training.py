"""The programs that are run: records, pre-training, fine-tuning."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.evidence.jobs import ROOT, Job, JobRunner, program_job
from experiments.finetuning import experiment
from experiments.finetuning.experiment import Finetuning
from experiments.finetuning.results import trial_file
from experiments.finetuning.sources import WIKIPEDIA, lay_out

_ADDRESSES = ROOT / "data" / "sotu.jsonl.gz"


def train_all(runner: JobRunner, sources: Path) -> None:
    """Does whatever is not done: data, then pre-training, then fine-tuning.

    Raises:
      InputError: a source is missing, or a program failed or was stopped.
    """
    output_dir = runner.output_dir
    for plan in experiment.TASKS:
        lay_out(plan, sources, output_dir / "finetuning_data" / plan.name)
    for stage in (
        [records(output_dir, sources)],
        [pretraining(output_dir, model) for model in experiment.MODELS],
        [fine_tuning(output_dir, finetuning) for finetuning in experiment.finetunings()],
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


def pretraining(output_dir: Path, model: str) -> Job:
    """Pre-trains one of the models, evaluates it on held-out records, and saves its preset."""
    directory = output_dir / "models" / model
    hparams = {**experiment.PRETRAINING, "custom_layer_list": experiment.MODELS[model]}
    return program_job(
        f"pretraining-{model}",
        "run_pretraining.py",
        _flags(output_dir, model, hparams),
        [directory / "eval.json", directory / "preset"],
    )


def fine_tuning(output_dir: Path, finetuning: Finetuning) -> Job:
    """Fine-tunes a model on a task, all trials."""
    trials = range(1, experiment.NUM_TRIALS + 1)
    return program_job(
        finetuning.name,
        "run_finetuning.py",
        _flags(output_dir, finetuning.model_name, finetuning.hparams),
        [trial_file(output_dir, finetuning, trial) for trial in trials],
    )


def _flags(output_dir: Path, model_name: str, hparams: Mapping[str, Any]) -> dict[str, object]:
    return {"data_dir": output_dir, "model_name": model_name, "hparams": json.dumps(hparams)}
