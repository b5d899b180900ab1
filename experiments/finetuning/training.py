"""The programs that are run: records, pre-training, fine-tuning."""

import json
from pathlib import Path

from experiments.finetuning import experiment
from experiments.finetuning.experiment import Finetuning
from experiments.finetuning.programs import ROOT, Programs
from experiments.finetuning.results import trial_file
from experiments.finetuning.sources import WIKIPEDIA, lay_out

_ADDRESSES = ROOT / "data" / "sotu.jsonl.gz"


def train_all(programs: Programs, sources: Path) -> None:
    """Does whatever is not done: data, then pre-training, then fine-tuning.

    Raises:
      InputError: a source is missing, or a program failed or was stopped.
    """
    output_dir = programs.output_dir
    for plan in experiment.TASKS:
        lay_out(plan, sources, output_dir / "finetuning_data" / plan.name)
    _build_records(programs, sources)
    programs.for_all(lambda model: _pretrain(programs, model), experiment.MODELS, "pre-training")
    programs.for_all(
        lambda finetuning: _finetune(programs, finetuning), experiment.finetunings(), "fine-tuning"
    )


def _build_records(programs: Programs, sources: Path) -> None:
    records = programs.output_dir / "pretrain_tfrecords"
    if (records / "manifest.json").exists():
        return
    programs.run(
        "records",
        "build_pretraining_dataset.py",
        {
            "corpus_dir": f"{_ADDRESSES},{sources / WIKIPEDIA}",
            "vocab_file": programs.output_dir / "vocab.txt",
            "learn_vocab_size": experiment.VOCABULARY_SIZE,
            "output_dir": records,
            "max_seq_length": experiment.LENGTH,
            "held_out_fraction": experiment.HELD_OUT_FRACTION,
        },
    )


def _pretrain(programs: Programs, model: str) -> None:
    directory = programs.output_dir / "models" / model
    if (directory / "eval.json").exists() and (directory / "preset").exists():
        return
    hparams = {**experiment.PRETRAINING, "custom_layer_list": experiment.MODELS[model]}
    _train(programs, f"pretraining-{model}", "run_pretraining.py", model, hparams)


def _finetune(programs: Programs, finetuning: Finetuning) -> None:
    trials = range(1, experiment.NUM_TRIALS + 1)
    if all(trial_file(programs.output_dir, finetuning, trial).exists() for trial in trials):
        return
    _train(
        programs,
        finetuning.name,
        "run_finetuning.py",
        finetuning.model_name,
        finetuning.hparams,
    )


def _train(programs: Programs, name: str, program: str, model_name: str, hparams: dict) -> None:
    arguments = {
        "data_dir": programs.output_dir,
        "model_name": model_name,
        "hparams": json.dumps(hparams),
    }
    programs.run(name, program, arguments)
