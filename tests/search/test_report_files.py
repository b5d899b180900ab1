"""The files beside the page: they read back to what went in."""

import csv
import dataclasses
import io
import json
import math
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reported import CANDIDATES, HPARAMS, WINNER, make_candidate, make_findings

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.errors import InputError
from lvbert_tf.search.candidate import Candidate
from lvbert_tf.search.report.files import best_toml, candidates_csv, report_json, write_report
from lvbert_tf.settings.pretraining import PretrainingConfig

HOSTILE = "\n[x]\ny = 1 # \"'\\ \x7f\x1b\u2028</script>"


def same(some, others):
    """Whether these are the same candidates; their NaNs, too."""
    return list(map(repr, some)) == list(map(repr, others))


def test_csv_reads_back():
    candidates = [
        *CANDIDATES,
        make_candidate(7, WINNER, -math.inf, None, 'a "quoted", origin', mlm_loss=1 / 3),
    ]
    findings = make_findings(candidates=candidates)
    read = []
    for row in csv.DictReader(io.StringIO(candidates_csv(findings))):
        names = ("disc_loss", "disc_auc", "mlm_loss")
        read.append(
            Candidate(
                number=int(row["number"]),
                string=LayerString(row["string"]),
                scores={name: float(row[name]) for name in names if row[name]},
                parameters=int(row["parameters"]),
                flops=int(row["flops"]),
                generation=int(row["generation"]) if row["generation"] else None,
                origin=row["origin"],
                seconds=float(row["seconds"]),
            )
        )
    assert [candidate.number for candidate in read] == [7, 5, 4, 2, 6, 3, 0, 1]
    assert same(sorted(read, key=lambda candidate: candidate.number), candidates)


def test_json_reads_back():
    drawn = [make_candidate(0, "AFAFCFCF", math.inf, None)]
    findings = make_findings(random_search=drawn)
    value = json.loads(report_json(findings))

    def read(saved):
        scores = {name: float(score) for name, score in saved["scores"].items()}
        return Candidate(**{**saved, "string": LayerString(saved["string"]), "scores": scores})

    assert same(map(read, value["candidates"]), CANDIDATES)
    assert same(map(read, value["random_search"]), drawn)
    assert same([read(value["best"])], [CANDIDATES[5]])
    assert value["facts"] == findings.facts
    assert value["pretraining_hparams"] == HPARAMS
    assert value["space"] == findings.space.to_dict()
    assert value["settings"]["max_flops"] == "unlimited"


def test_json_has_the_numbers_of_the_plots():
    value = json.loads(report_json(make_findings()))
    best = value["best_so_far"]
    assert best["search"] == [0.5, 0.5, 0.3, 0.3, 0.25, 0.125, 0.125]
    assert best["random"] == [0.5, 0.5, 0.3, 0.3]
    # Of 0.3, 0.4 and 0.5: any one, any pair, all.
    assert best["random_expected"] == pytest.approx([0.4, (0.3 + 0.3 + 0.4) / 3, 0.3])
    assert value["pareto_fronts"]["parameters"][-1] == 5
    shares = value["layer_types"]["best"]["shares"]
    first_layers = "FCCCA" + "A"  # of those that did not diverge
    assert value["layer_types"]["best"]["strings"] == 6
    assert shares["C"][0] == pytest.approx(first_layers.count("C") / 6)


def test_best_toml_is_the_hparams_of_the_winner():
    values = tomllib.loads(best_toml(make_findings()))
    config = PretrainingConfig.create("data", "winner", values)
    assert config.layer_string == LayerString(WINNER)
    assert config.learning_rate == 2e-4
    assert config.keep_checkpoint_max == 0  # null, which is not the default, in TOML's words


def test_best_toml_from_a_whole_configuration():
    """Also with tables, lists and nulls, as `config.json` has them."""
    given_hparams = {
        "model_hparam_overrides": {"hidden_size": 32, "hidden_dropout_prob": 0.0},
        "generator_layer_list": [1, 2],
        "num_train_steps": 5,
        "num_warmup_steps": 1,
    }
    config = PretrainingConfig.create("data", "supernet", given_hparams)
    hparams = config.to_json_dict()["hparams"]
    values = tomllib.loads(best_toml(make_findings(pretraining_hparams=hparams)))
    winner = PretrainingConfig.create("data", "supernet", values)
    assert winner == dataclasses.replace(config, custom_layer_list=LayerString(WINNER))


def test_best_toml_says_where_it_comes_from_whatever_the_name():
    text = best_toml(make_findings(name=HOSTILE))
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert "7 layer strings" in comments[0]
    assert "0.1250" in comments[1]
    assert tomllib.loads(text).keys() == {"model_size", "learning_rate", *_ADDED}


_ADDED = ("keep_checkpoint_max", "custom_layer_list")
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_scalars = st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | _texts
_tables = st.recursive(
    st.dictionaries(_texts, _scalars | st.lists(_scalars, max_size=3), max_size=4),
    lambda inner: st.dictionaries(_texts, _scalars | inner, max_size=3),
    max_leaves=4,
)


@given(_tables)
def test_best_toml_reads_back_whatever_the_hparams(hparams):
    values = tomllib.loads(best_toml(make_findings(pretraining_hparams=hparams)))
    assert values == {**hparams, "custom_layer_list": WINNER}


def test_the_report_is_four_files(tmp_path):
    write_report(tmp_path, make_findings())
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"report.html", "report.json", "candidates.csv", "best.toml"}
    assert (tmp_path / "best.toml").read_text() == best_toml(make_findings())


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    write_report(tmp_path, make_findings())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write .*: No space"):
        write_report(tmp_path, make_findings(name="another"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_missing_fitness_writes_nothing(tmp_path):
    findings = make_findings(references={LayerString("AFAFAFAF"): {"disc_auc": 0.5}})
    with pytest.raises(InputError, match="no disc_loss"):
        write_report(tmp_path, findings)
    assert not list(tmp_path.iterdir())


_PROGRAM = """
import sys
from pathlib import Path
from reported import make_findings
from lvbert_tf.search.report.files import write_report
assert "matplotlib" not in sys.modules and "jinja2" not in sys.modules
write_report(Path(sys.argv[1]), make_findings())
assert "matplotlib.pyplot" not in sys.modules
"""


@pytest.mark.slow
def test_the_same_results_make_the_same_bytes_in_any_process(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for directory in (here, there):
        directory.mkdir()
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nsvg.fonttype: path\n")
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "1",
        "PYTHONPATH": os.pathsep.join(paths),
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
    }
    command = [sys.executable, "-c", _PROGRAM, str(there)]
    subprocess.run(command, check=True, env=environment, timeout=300)
    write_report(here, make_findings())
    for path in here.iterdir():
        assert path.read_bytes() == (there / path.name).read_bytes()
