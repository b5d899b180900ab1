"""The parts of `experiments/precision_quality.py`, on results written here."""

import json

import pytest

from experiments.finetuning.results import FinetuningResults, trial_file
from experiments.precision import experiment
from experiments.precision.experiment import START, Finetuning, Pretraining
from experiments.precision.report import finetuning_table, pretraining_table

POS, SST = experiment.TASKS


@pytest.fixture
def results(tmp_path):
    return FinetuningResults(tmp_path)


def write(results, task, precision, trial, accuracy):
    run = Finetuning(task, precision)
    path = trial_file(results.output_dir, run, trial)
    path.parent.mkdir(parents=True)
    metrics = {"accuracy": accuracy, "loss": accuracy / 100}
    path.write_text(json.dumps({"figures": {task.name: {"dev": metrics}}}))


def test_precisions_are_trained_alike():
    for task in experiment.TASKS:
        wide, narrow = (Finetuning(task, precision).hparams for precision in experiment.PRECISIONS)
        assert {name for name in wide if wide[name] != narrow[name]} == {"precision"}
    assert experiment.pretrainings()[0] == START
    names = [run.model_name for run in experiment.pretrainings()]
    names += [run.model_name for run in experiment.finetunings()[:2]]
    assert len(set(names)) == len(names)


def test_differences_are_those_of_equal_seeds(results):
    """Of SST-2 the third trial in bfloat16 is missing; differences of the others are -1 and -3."""
    for trial, (wide, narrow) in enumerate([(60.0, 59.0), (70.0, 67.0)], start=1):
        write(results, SST, "float32", trial, wide)
        write(results, SST, "bfloat16", trial, narrow)
    write(results, SST, "float32", 3, 10.0)
    lines = finetuning_table(results).splitlines()[2:]
    # Student's t of one degree of freedom is 12.706; the standard error is 1.
    assert lines == [
        "| SST-2 | accuracy | 2 | 65.00 | 63.00 | -2.00 (-14.71 to 10.71) |",
        "| SST-2 | loss | 2 | 0.6500 | 0.6300 | -0.0200 (-0.1471 to 0.1071) |",
    ]


def test_held_out_losses(results):
    for precision, loss in (("float32", 4.0), ("bfloat16", 4.0125)):
        directory = results.output_dir / "models" / Pretraining(precision, 2).model_name
        directory.mkdir(parents=True)
        (directory / "eval.json").write_text(json.dumps({"mlm_loss": loss}))
    assert pretraining_table(results).splitlines()[2:] == ["| 2 | 4.0000 | 4.0125 | +0.0125 |"]
