import json
import math
import re
import statistics
from dataclasses import replace

import pytest
from task_files import refusal

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.results.summary import (
    best_trial,
    results_table,
    results_text,
    summarize,
    summarize_trials,
    write_results,
)
from lvbert_tf.finetuning.results.trial_directory import TrialDirectory, TrialResult

MCC = (57.04, 50.0, 61.5, 55.25)


def trial(number, metrics, **values):
    return TrialResult(number, 41 + number, 100, 12.5, metrics, **values)


def cola(*mccs):
    return [
        trial(n, {"cola": {"dev": {"mcc": mcc, "loss": 0.454}}}) for n, mcc in enumerate(mccs, 1)
    ]


def mnli_and_mrpc(number, matched, mismatched, accuracy, f1):
    return trial(
        number,
        {
            "mnli": {
                "dev_matched": {"accuracy": matched, "loss": 0.5},
                "dev_mismatched": {"accuracy": mismatched, "loss": 0.55},
            },
            "mrpc": {"dev": {"accuracy": accuracy, "f1": f1, "loss": 0.3}},
        },
    )


def test_a_result_goes_through_json():
    result = trial(3, {"sts": {"dev": {"spearman": 86.8}}}, skipped_rows={"sts": {"train": 2}})
    text = json.dumps(result.to_json_dict())
    assert json.loads(text) == {
        "trial": 3,
        "seed": 44,
        "steps": 100,
        "seconds": 12.5,
        "figures": {"sts": {"dev": {"spearman": 86.8}}},
        "skipped_rows": {"sts": {"train": 2}},
    }
    assert TrialResult.from_json_dict(json.loads(text)) == result


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_metric_that_is_not_finite_is_null(loss):
    saved = trial(1, {"cola": {"dev": {"mcc": 1.0, "loss": loss}}}).to_json_dict()
    json.dumps(saved, allow_nan=False)
    assert math.isnan(TrialResult.from_json_dict(saved).metrics["cola"]["dev"]["loss"])


HOSTILE = {
    "list": ([], r"expected the trial, seed, .* of a trial, got \[\]"),
    "more": ({"more\n": 1}, r"a trial has trial, .*: 'more\\n' is unexpected"),
    "less": ({"seed": ...}, "'seed' is missing"),
    "trial 0": ({"trial": 0}, "trial: expected an integer from 1, got 0"),
    "boolean seed": ({"seed": True}, "seed: expected an integer from 0, got True"),
    "fraction of a step": ({"steps": 1.5}, "steps: "),
    "endless": ({"seconds": math.inf}, "seconds: expected a number, got inf"),
    "text": ({"seconds": "1"}, "seconds: "),
    "no tasks": ({"figures": None}, "figures: expected names and values, got None"),
    "no splits": ({"figures": {"a\nb": 1}}, r"figures\['a\\nb'\]: expected names and values"),
    "no metrics": ({"figures": {"a": {"b": [1]}}}, r"figures\['a'\]\['b'\]: "),
    "text figure": ({"figures": {"a": {"b": {"c": "1"}}}}, r"\['c'\]: expected a number"),
    "boolean figure": ({"figures": {"a": {"b": {"c": True}}}}, r"\['c'\]: expected a number"),
    "long figure": ({"figures": {"a": {"b": {"c": 10**400}}}}, r"\['c'\]: expected a number"),
    "deep figure": ({"figures": {"a": {"b": {"c": {}}}}}, r"\['c'\]: expected a number"),
    "negative rows": ({"skipped_rows": {"a": {"b": -1}}}, r"skipped_rows\['a'\]\['b'\]: "),
}


@pytest.mark.parametrize("change, message", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_result(change, message):
    good = trial(1, {}).to_json_dict()
    saved = change
    if isinstance(change, dict):
        saved = {name: value for name, value in {**good, **change}.items() if value is not ...}
    assert re.search(message, refusal(TrialResult.from_json_dict, saved))


def test_summaries_are_those_of_the_statistics_module():
    for metrics in (MCC, MCC[:3], MCC[:2]):
        summary = summarize(metrics)
        assert summary.median == pytest.approx(statistics.median(metrics), rel=1e-12)
        assert summary.mean == pytest.approx(statistics.fmean(metrics), rel=1e-12)
        assert summary.std == pytest.approx(statistics.stdev(metrics), rel=1e-12)
        assert (summary.minimum, summary.maximum) == (min(metrics), max(metrics))
        assert summary.number == len(metrics)


def test_summaries_computed_by_hand():
    summary = summarize([2.0, 4.0, 9.0])
    assert (summary.median, summary.mean, summary.std) == (4.0, 5.0, math.sqrt(13.0))
    assert summarize([2.0]) == replace(summary, median=2, mean=2, std=None, maximum=2, number=1)


def test_one_infinite_loss_is_seen():
    assert math.isnan(summarize([1.0, math.nan, 2.0]).median)
    assert summarize([1.0, math.inf]).maximum == math.inf


def test_summaries_are_by_task_split_and_metric():
    trials = [mnli_and_mrpc(1, 80, 82, 90, 93), mnli_and_mrpc(2, 84, 88, 70, 75)]
    found = summarize_trials(trials)
    assert {task: list(splits) for task, splits in found.items()} == {
        "mnli": ["dev_matched", "dev_mismatched"],
        "mrpc": ["dev"],
    }
    assert list(found["mrpc"]["dev"]) == ["accuracy", "f1", "loss"]
    assert found["mnli"]["dev_matched"]["accuracy"].median == 82
    assert found["mnli"]["dev_mismatched"]["accuracy"].median == 85
    assert found["mrpc"]["dev"]["f1"].median == 84


def test_a_metric_that_some_trials_lack():
    trials = [trial(1, {"squad": {"dev": {"f1": 8.0, "NoAns_f1": 4.0}}}), *cola(1.0)]
    trials.append(trial(3, {"squad": {"dev": {"f1": 9.0}}}))
    found = summarize_trials(trials)
    assert found["squad"]["dev"]["NoAns_f1"] == summarize([4.0])
    assert found["squad"]["dev"]["f1"] == summarize([8.0, 9.0])
    assert "-" in results_table(trials, {"squad": ("f1", "NoAns_f1")}).splitlines()[5]


def test_the_best_trial_has_the_best_main_metric():
    assert best_trial(cola(57.0, 61.5, 61.5, 50.0)).trial == 2
    losses = [
        trial(n, {"custom": {"dev": {"mse": mse, "pearson": 1}}}) for n, mse in ((1, 2), (2, 1))
    ]
    assert best_trial(losses).trial == 2
    several = [mnli_and_mrpc(1, 80, 99, 90, 99), mnli_and_mrpc(2, 91, 0, 80, 0)]
    assert best_trial(several).trial == 2  # 85.5 against 85
    assert best_trial([*cola(math.nan), *cola(-3.0)]).metrics["cola"]["dev"]["mcc"] == -3.0
    assert best_trial([trial(1, {"cola": {}}), trial(2, {"cola": {}})]).trial == 1


def test_the_text_is_the_reference_s():
    trials = [*cola(57.04, 50.0), mnli_and_mrpc(3, 79.1, 80.456, 87.0, 90.25)]
    assert results_text(trials) == (
        "cola: mcc: 57.04 - loss: 0.45\n"
        "cola: mcc: 50.00 - loss: 0.45\n"
        "mnli: accuracy: 79.10 - loss: 0.50\n"
        "mnli_dev_mismatched: accuracy: 80.46 - loss: 0.55\n"
        "mrpc: accuracy: 87.00 - f1: 90.25 - loss: 0.30\n"
    )


def test_the_files_of_a_run(tmp_path):
    trials = [mnli_and_mrpc(1, 80, 82, 90, 93), mnli_and_mrpc(2, 84, 88, 70, 75)]
    results = tmp_path / "model" / "results"
    write_results(results, ["mnli", "mrpc"], trials, {"learning_rate": 3e-4})
    assert sorted(path.name for path in results.iterdir()) == [
        "mnli,mrpc_results.json",
        "mnli,mrpc_results.txt",
    ]
    assert (results / "mnli,mrpc_results.txt").read_text() == results_text(trials)
    written = json.loads((results / "mnli,mrpc_results.json").read_text())
    assert list(written) == ["tasks", "settings", "trials", "summary"]
    assert (written["tasks"], written["settings"]) == (["mnli", "mrpc"], {"learning_rate": 3e-4})
    assert [TrialResult.from_json_dict(saved) for saved in written["trials"]] == trials
    assert [saved["seed"] for saved in written["trials"]] == [42, 43]
    assert written["summary"]["mrpc"]["dev"]["f1"] == {
        "median": 84.0,
        "mean": 84.0,
        "std": math.sqrt(162.0),
        "minimum": 75.0,
        "maximum": 93.0,
        "number": 2,
    }


def test_a_run_of_one_trial_with_an_infinite_loss_is_json(tmp_path):
    trials = [trial(1, {"cola": {"dev": {"mcc": 5.0, "loss": math.inf}}})]
    write_results(tmp_path, ["cola"], trials, {})
    text = (tmp_path / "cola_results.json").read_text()
    written = json.loads(text, parse_constant=pytest.fail)
    assert written["summary"]["cola"]["dev"]["mcc"]["std"] is None
    assert written["summary"]["cola"]["dev"]["loss"]["median"] is None


def test_a_full_disk_keeps_the_old_results(tmp_path, full_disk):
    write_results(tmp_path, ["cola"], cola(57.04), {})
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with full_disk(5), pytest.raises(InputError, match=r"cannot write .*cola_results"):
        write_results(tmp_path, ["cola"], cola(57.04, 60.0), {})
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def cells(table):
    return [line.split() for line in table.splitlines() if line.strip("─ ")]


def test_the_table_of_one_task():
    assert cells(results_table(cola(57.04, 50.0, 61.5), {"cola": ("mcc",)})) == [
        ["trial", "seed", "mcc"],
        ["1", "42", "57.04"],
        ["2", "43", "50.00"],
        ["3", "44", "61.50"],
        ["median", "57.04"],
        ["mean", "56.18"],
        ["std", "5.80"],
    ]


def test_one_trial_has_no_deviation():
    assert cells(results_table(cola(57.04), {"cola": ("mcc",)}))[-1] == ["std", "-"]


def test_the_table_names_tasks_and_splits_where_there_are_several():
    trials = [mnli_and_mrpc(1, 80, 82, 90, 93), mnli_and_mrpc(2, 84, 88, 70, 75)]
    table = results_table(trials, {"mnli": ("accuracy",), "mrpc": ("accuracy", "f1")})
    rule, *lines = table.splitlines()
    assert {len(line) for line in lines[2:]} == {len(rule)}  # aligned
    assert cells(table)[:5] == [
        ["mnli", "mnli"],
        ["dev_matched", "dev_mismatched", "mrpc", "mrpc"],
        ["trial", "seed", "accuracy", "accuracy", "accuracy", "f1"],
        ["1", "42", "80.00", "82.00", "90.00", "93.00"],
        ["2", "43", "84.00", "88.00", "70.00", "75.00"],
    ]
    assert cells(table)[5] == ["median", "82.00", "85.00", "80.00", "84.00"]


def test_a_wide_table_comes_in_parts_that_fit():
    names = [f"task{n}" for n in range(20)]
    trials = [trial(1, {name: {"dev": {"accuracy": n}} for n, name in enumerate(names)})]
    table = results_table(trials, {name: ("accuracy",) for name in names})
    assert max(map(len, table.splitlines())) <= 100
    assert [name for name in table.split() if name.startswith("task")] == names
    rows = [line.split()[2:] for line in table.splitlines() if line.split()[:2] == ["1", "42"]]
    assert [cell for row in rows for cell in row] == [f"{n}.00" for n in range(20)]
    assert len(rows) > 1


def test_a_table_without_metrics_still_has_the_seeds():
    assert cells(results_table([trial(1, {"cola": {}})], {"cola": ("mcc",)}))[1] == ["1", "42"]


def test_no_colours_whatever_the_terminal(monkeypatch):
    plain = results_table(cola(1.0), {"cola": ("mcc",)})
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    assert results_table(cola(1.0), {"cola": ("mcc",)}) == plain
    assert "\x1b" not in plain


ROWS = [{"label": 1, "index": row} for row in range(3)]


def test_predictions_come_back(tmp_path):
    directory = TrialDirectory(tmp_path, "sst", 1, 42)
    assert directory.read_predictions("sst", "test") is None
    directory.write_predictions("sst", "test", ROWS)
    assert directory.read_predictions("sst", "test") == ROWS
    (directory.path / "predictions" / ".sst_test.jsonl.sha256").unlink()  # of an earlier release
    assert directory.read_predictions("sst", "test") == ROWS


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.replace(b"1", b"0", 1),
        lambda content: content[:20],
        lambda content: b"",
        lambda content: b"\xff" + content,
    ],
)
def test_damaged_predictions_are_refused(tmp_path, damage):
    directory = TrialDirectory(tmp_path, "sst", 1, 42)
    directory.write_predictions("sst", "test", ROWS)
    file = directory.path / "predictions" / "sst_test.jsonl"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match=r"is damaged: .*do_train false writes it again"):
        directory.read_predictions("sst", "test")


def test_a_damaged_digit_of_a_result_is_refused(tmp_path):
    directory = TrialDirectory(tmp_path, "sst", 1, 42)
    directory.path.mkdir()
    directory.write_result(trial(1, {"sst": {"dev": {"accuracy": 63.5}}}))
    assert directory.result().metrics["sst"]["dev"]["accuracy"] == 63.5
    file = directory.path / "result.json"
    file.write_text(file.read_text().replace("63.5", "83.5"))
    with pytest.raises(InputError, match="is damaged"):
        directory.result()
