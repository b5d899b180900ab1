"""The parts of `experiments/books_quality.py`, on results written here."""

import json
import shutil

import pytest

from experiments.books import experiment, plots, report, sources
from experiments.books.experiment import DECAYS, STARTS, Finetuning, Pretraining
from experiments.books.report import MODEL_NAMES
from experiments.books.results import BookResults
from experiments.finetuning.results import trial_file
from experiments.finetuning.sources import lay_out
from lvbert_tf.finetuning.tasks.registry import find_task

BEST = {"pre-trained": 0.9, "from scratch": 1.0}


def write_trials(directory, trials, metric, first):
    for trial in range(1, trials.num_trials + 1):
        path = trial_file(directory, trials, trial)
        path.parent.mkdir(parents=True)
        figures = {trials.task.name: {"dev": {metric: first + trial}}}
        path.write_text(json.dumps({"figures": figures}))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Of a run that is complete: LV-BERT is a point ahead of AF x 12, the second rate is the best."""
    directory = tmp_path_factory.mktemp("books")
    results = BookResults(directory)
    (directory / "finetuning_data" / "sentiment").mkdir(parents=True)
    toml = 'kind = "regression"\nlabel_range = [-4, 4]\nfiles = {train = "a.tsv", dev = "b.tsv"}\n'
    toml += 'columns = {text = "text", label = "score"}\n'
    (directory / "finetuning_data" / "sentiment" / "task.toml").write_text(toml)
    held_out = {
        "mlm_loss": 4.0,
        "mlm_accuracy": 0.4,
        "disc_auc": 0.7,
        "baseline_mlm_accuracy": 0.07,
    }
    runs = [*experiment.rate_trials(), *(Pretraining(model, 1e-3) for model in experiment.MODELS)]
    for run in runs:
        model_dir = directory / "models" / run.model_name
        (model_dir / "preset").mkdir(parents=True)
        loss = 20.0 + abs(run.rate - 1e-3)
        (model_dir / "eval.json").write_text(json.dumps({**held_out, "loss": loss}))
        lines = [
            {"step": step, "split": split, "mlm_accuracy": step / 1e5, "disc_auc": 0.5}
            for step in (575, 1150)
            for split in ("train", "eval")
        ]
        (model_dir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    spent = {f"pretraining-{model}": 9200.0 for model in experiment.MODELS}
    (directory / "processor_seconds.json").write_text(json.dumps({**spent, "cola-af": 3600.0}))
    for trials in experiment.all_decay_trials():
        metric = results.main_metric(trials.task)
        best = trials.decay == BEST[trials.start]
        write_trials(results.choosing.output_dir, trials, metric, 50.0 + best)
    for trials in experiment.finetunings(results.best_decays()):
        metric = results.main_metric(trials.task)
        ahead = (trials.model == "lv_bert") + 10 * (trials.start == STARTS[0]) / trials.share
        write_trials(directory, trials, metric, 60.0 + ahead)
    return results


@pytest.fixture
def simple(results):
    """Baselines of 50 in each task."""
    metrics = {plan.name: {results.main_metric(plan): 50.0} for plan in experiment.TASKS}
    return {name: {"trivial": metric, "words": metric} for name, metric in metrics.items()}


def test_the_best_of_what_was_tried_is_chosen(results):
    assert {results.best_rate(model) for model in experiment.MODELS} == {1e-3}
    decays = results.best_decays()
    assert len(decays) == len(experiment.TASKS) * len(experiment.MODELS) * len(STARTS)
    assert all(decay == BEST[start] for (_, _, start), decay in decays.items())


def test_tables(results, simple):
    decays = results.best_decays()
    rates = report.rate_table(results).splitlines()[2:]
    assert rates[0] == "| LV-BERT | 0.0005 | 20.000 | 4.000 | 0.700 |  |"
    assert rates[1] == "| LV-BERT | 0.001 | 20.000 | 4.000 | 0.700 | yes |"
    lines = report.pretraining_table(results).splitlines()
    assert lines[2].endswith("| 4.000 | 0.400 | 0.700 | 2.6 |")
    line = report.finetuning_table(results, simple, decays).splitlines()[2]
    assert line.startswith("| CoLA | mcc | 50.0 | 50.0 | LV-BERT | 76.5 (")
    assert line.endswith("at 1 | 10.0 (10.0 to 10.0) |")
    lines = report.comparison_table(results, decays).splitlines()
    assert len(lines) == 2 + len(experiment.TASKS) + 1
    assert all(line.endswith("| 1.0 (1.0 to 1.0) |") for line in lines[2:])
    line = report.growth_table(results, decays).splitlines()[3]
    assert line == "| CoLA | AF x 12 | 65.5 | 63.2 | 64.5 | 67.0 | 75.5 |"


def test_what_is_complete_is_reported(results, tmp_path):
    for run in experiment.rate_trials():
        source = results.output_dir / "models" / run.model_name
        shutil.copytree(source, tmp_path / "models" / run.model_name)
    assert "##" not in report.report(tmp_path / "nothing", tmp_path)
    found = report.report(tmp_path, tmp_path)
    assert "## Learning rates" in found and "## Pre-training" not in found


def test_plots(results, simple, tmp_path):
    decays = results.best_decays()
    plots.curves(results, MODEL_NAMES, tmp_path / "curves.svg")
    plots.by_task(results, simple, decays, MODEL_NAMES, tmp_path / "tasks.svg")
    plots.growth(results, decays, MODEL_NAMES, tmp_path / "growth.svg")
    for name, text in (("curves", "peta-FLOP"), ("tasks", "SST-2"), ("growth", "part of pre-")):
        assert text in (tmp_path / f"{name}.svg").read_text()


def test_runs_have_names_of_their_own_and_the_encoders_of_their_start():
    chosen = {
        (t.name, m, s): 1.0 for t in experiment.TASKS for m in experiment.MODELS for s in STARTS
    }
    runs = [*experiment.all_decay_trials(), *experiment.finetunings(chosen)]
    assert len({run.name for run in runs}) == len(runs)
    task = experiment.TASKS[0]
    quarter = Finetuning(task, "af", STARTS[0], 0.9, share=4).hparams["init_checkpoint"]
    assert quarter == "{data_dir}/models/af/checkpoints/step-00002300"
    assert not 2300 % experiment.SAVED_EVERY
    choosing = experiment.decay_trials(task, "af", STARTS[1])
    assert [run.decay for run in choosing] == list(DECAYS[STARTS[1]])
    assert choosing[0].hparams["init_checkpoint"] == "{data_dir}/../models/af"


@pytest.mark.parametrize("plan", experiment.TASKS, ids=lambda plan: plan.name)
def test_decays_are_chosen_by_a_part_of_the_training_set(published, tmp_path, plan):
    task = tmp_path / "finetuning_data" / plan.name
    lay_out(plan, published, task)
    sources.hold_out(task, tmp_path / "choosing" / "finetuning_data" / plan.name, most=20)
    whole, part = (find_task(plan.name, folder) for folder in (tmp_path, tmp_path / "choosing"))

    def texts(task, split):
        return [str(example) for example in task.read(split, skip_bad_rows=True).examples]

    rows = [row.split("location")[0] for row in texts(whole, "train")]
    train, dev = ([row.split("location")[0] for row in texts(part, s)] for s in ("train", "dev"))
    assert train and dev
    assert set(train + dev) <= set(rows)
    assert len(train) > len(dev)
    before = task.stat().st_mtime_ns
    sources.hold_out(task, tmp_path / "choosing" / "finetuning_data" / plan.name, most=20)
    assert task.stat().st_mtime_ns == before
