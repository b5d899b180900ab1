"""The search program: from records to a report, and what it refuses."""

import csv
import json
import os
import shutil
import signal
import tomllib
from pathlib import Path

import pytest
from tiny_run import make_data, vocabulary_size
from tiny_search import CANDIDATES, hparams_json

from lvbert_tf.errors import InputError
from lvbert_tf.io.sealed import read_sealed_json
from lvbert_tf.models.supernet import Supernet
from lvbert_tf.pretraining.run import pretrain
from lvbert_tf.runs.initialization import load_pretrainer
from lvbert_tf.search import scoring_stage
from lvbert_tf.search.report.references import reference_strings
from lvbert_tf.search.run import run_search

REPORT = ("report.html", "report.json", "candidates.csv", "best.toml")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("search") / "data")


@pytest.fixture(scope="module")
def searched(data):
    """A finished search; not to be changed."""
    assert run_search(str(data), "whole", hparams_json()) == 0
    return data / "searches" / "whole"


def rows(directory: Path) -> list[dict]:
    with (directory / "candidates.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def content(directory: Path) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in REPORT}


def test_leaves_a_supernet_scores_a_report_and_the_winner(searched):
    assert isinstance(load_pretrainer(searched / "supernet", pytest.fail).discriminator, Supernet)
    scored = rows(searched)
    assert len({row["string"] for row in scored}) == len(scored) == CANDIDATES
    best = min(scored, key=lambda row: float(row["disc_loss"]))
    winner = tomllib.loads((searched / "best.toml").read_text())
    assert winner["custom_layer_list"] == best["string"]
    assert not {"layer_types", "path_sampling", "model_dir", "num_layers"} & winner.keys()
    report = json.loads((searched / "report.json").read_text())
    references = read_sealed_json(searched / "references.json")
    assert references.keys() == {"AFA"}
    lines = {line["label"]: line for line in report["comparison"]}
    assert next(iter(lines)) == "best of the search"
    assert lines["A and F in turn"]["figures"]["disc_loss"] == references["AFA"]["disc_loss"]
    assert f"best of {CANDIDATES} random strings" in lines
    assert report["facts"]["scoring"]["strings"] == 2 * CANDIDATES
    assert best["string"] in (searched / "report.html").read_text()


def test_strings_differ_in_score(searched):
    assert len({row["disc_loss"] for row in rows(searched)}) > CANDIDATES / 2


def test_a_second_run_computes_nothing_again(data, searched, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("scored again")

    before = content(searched)
    monkeypatch.setattr(scoring_stage.CandidateEvaluator, "__call__", refuse)
    assert run_search(str(data), "whole", hparams_json()) == 0
    assert content(searched) == before


def test_the_report_needs_neither_records_nor_supernet(data, searched, tmp_path, capsys):
    (tmp_path / "searches").mkdir()
    there = tmp_path / "searches" / "whole"
    there.mkdir()
    for name in ("study.journal", "held_out.npz", "references.json"):
        (there / name).write_bytes((searched / name).read_bytes())
    without_random = hparams_json(compare_with_random=False)
    assert run_search(str(tmp_path), "whole", without_random, stage="report") == 0
    assert rows(there) == rows(searched)
    assert "report.html: the report" in capsys.readouterr().out


def test_the_winner_is_trained_from_scratch(data, searched):
    hparams = tomllib.loads((searched / "best.toml").read_text())
    assert pretrain(str(data), "winner", str(searched / "best.toml")) == 0
    discriminator = load_pretrainer(data / "models" / "winner", pytest.fail).discriminator
    assert discriminator.layer_string == hparams["custom_layer_list"]


def test_more_generations_continue_a_search(data, searched):
    changes = {"num_generations": 3, "compare_with_random": False}
    copy = data / "searches" / "longer"
    shutil.copytree(searched / "supernet", copy / "supernet")
    assert run_search(str(data), "longer", hparams_json(compare_with_random=False)) == 0
    first = rows(copy)
    assert run_search(str(data), "longer", hparams_json(**changes, max_hours=1e-9)) == 143
    assert rows(copy) == first
    assert run_search(str(data), "longer", hparams_json(**changes)) == 0
    assert len(rows(copy)) == CANDIDATES + 4
    by_number = {row["number"]: row for row in rows(copy)}
    assert all(by_number[row["number"]]["string"] == row["string"] for row in first)


def test_a_stop_between_the_baselines_is_heeded(data, searched, tmp_path, monkeypatch):
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    references = copy / "searches" / "whole" / "references.json"
    references.unlink()

    def stopped_meanwhile(space):
        os.kill(os.getpid(), signal.SIGTERM)
        return reference_strings(space)

    monkeypatch.setattr(scoring_stage, "reference_strings", stopped_meanwhile)
    assert run_search(str(copy), "whole", hparams_json()) == 143
    assert not references.exists()
    monkeypatch.undo()
    assert run_search(str(copy), "whole", hparams_json()) == 0
    assert read_sealed_json(references) == read_sealed_json(searched / "references.json")


def test_masked_lm_objective_with_pareto_front_of_latency(data):
    hparams = hparams_json(
        electra_objective=False,
        generator_layer_list=None,
        fitness="mlm_accuracy",
        sampler="nsga2",
        cost="latency",
        num_generations=1,
        compare_with_random=False,
        num_train_steps=2,
        vocab_size=None,  # so that it follows the vocabulary
    )
    assert run_search(str(data), "pareto", hparams) == 0
    directory = data / "searches" / "pareto"
    supernet = json.loads((directory / "supernet" / "config.json").read_text())
    assert supernet["hparams"]["vocab_size"] == vocabulary_size()
    # The report alone counts parameters alike, with the supernet or with the vocabulary beside it.
    shutil.rmtree(directory / "supernet")
    assert run_search(str(data), "pareto", hparams, stage="report") == 0
    scored = rows(directory)
    assert all(float(row["latency"]) > 0 for row in scored)
    assert {"mlm_loss", "mlm_accuracy"} <= scored[0].keys()
    report = json.loads((directory / "report.json").read_text())
    assert report["pareto_fronts"]["latency"]


# === Bad input ===


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer_types": ""}, "layer types .*at least one letter"),
        ({"layer_types": "CAX"}, "X"),
        ({"num_layers": 0}, "num_layers: 0"),
        ({"max_parameters": 10}, "the fewest parameters are"),
        ({"max_flops": 10}, "the fewest FLOPs"),
        ({"popluation_size": 5}, "'population_size'"),
        ({"population_size": 2.5}, "population_size: expected an integer"),
        ({"fitness": "mlm_loss"}, "the objective is electra"),
        ({"custom_layer_list": "CAF"}, "num_layers and layer_types"),
        ({"model_dir": "elsewhere"}, "in the directory of the search"),
        ({"vocab_size": 3}, "vocab_size"),
        ({"eval_tfrecords": "{data_dir}/nothing*"}, "held_out_fraction"),
    ],
)
def test_refuses_before_writing_anything(data, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        run_search(str(data), "bad", hparams_json(**changes))
    assert "\n" not in str(caught.value)
    assert not (data / "searches" / "bad").exists()


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_refuses_a_name_that_is_a_path(data, name):
    with pytest.raises(InputError, match="search name"):
        run_search(str(data), name, hparams_json())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_layers": 4}, "another architecture .*layer_string"),
        ({"layer_types": "AF"}, "another architecture .*layer_types: AF here, CAF there"),
        ({"model_hparam_overrides": {"hidden_size": 32}}, "another architecture"),
        ({"max_parameters": 40_000}, "max_parameters: 40000 here, unlimited there"),
        ({"seed": 1}, "seed"),
        ({"population_size": 6}, "population_size: 6 here, 5 there"),
        ({"num_train_steps": 8}, "num_train_steps is 8, .* step 6"),
        ({"num_eval_steps": 1}, "num_eval_steps"),
        ({"precision": "bfloat16"}, "precision"),
    ],
)
def test_refuses_to_continue_with_something_else(data, searched, changes, message):
    kept = ("study.journal", "held_out.npz", "references.json", "supernet/config.json")
    before = {name: (searched / name).read_bytes() for name in (*kept, *REPORT)}
    if "model_hparam_overrides" in changes:
        base = json.loads(hparams_json())["model_hparam_overrides"]
        changes = {"model_hparam_overrides": {**base, **changes["model_hparam_overrides"]}}
    with pytest.raises(InputError, match=message) as caught:
        run_search(str(data), "whole", hparams_json(**changes))
    assert "\n" not in str(caught.value)
    for name, was in before.items():
        assert (searched / name).read_bytes().startswith(was)  # opening a journal adds a record


def test_stages_that_come_too_early(data):
    with pytest.raises(InputError, match="step 0 of 6; train it first"):
        run_search(str(data), "early", hparams_json(), stage="search")
    with pytest.raises(InputError, match="nothing to report"):
        run_search(str(data), "early", hparams_json(), stage="report")
    with pytest.raises(InputError, match="expected one of all, supernet"):
        run_search(str(data), "early", hparams_json(), stage="everything")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("study.journal", b"not a journal\n"),
        ("held_out.npz", b"not an archive"),
        ("references.json", b'{"XYZ": 1}'),
    ],
)
def test_a_damaged_file_is_named_and_kept(data, searched, name, damage):
    file = searched / name
    whole = file.read_bytes()
    file.write_bytes(damage)
    try:
        with pytest.raises(InputError, match=name) as caught:
            run_search(str(data), "whole", hparams_json())
        assert "\n" not in str(caught.value)
        assert file.read_bytes() == damage
    finally:
        file.write_bytes(whole)


def test_an_unreachable_database_is_found_before_training(data):
    with pytest.raises(InputError, match="cannot open the study's database"):
        run_search(str(data), "no_db", hparams_json(), storage_url="sqlite:////nowhere/at/all.db")
    assert not (data / "searches" / "no_db" / "supernet" / "checkpoints").exists()
