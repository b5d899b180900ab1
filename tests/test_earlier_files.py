"""Files that commit 33f22f7 wrote (`earlier_files.py` says how) are read, and runs of it continue."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from earlier_files import FINETUNING, LINES, PRETRAINING, SEARCH, run


@pytest.fixture(scope="module")
def data(fixtures, tmp_path_factory) -> Path:
    """A data directory of then, which tests may go on with."""
    return Path(
        shutil.copytree(fixtures / "earlier/data", tmp_path_factory.mktemp("earlier") / "data")
    )


@pytest.fixture(scope="module")
def expected(fixtures) -> dict:
    """What the programs of then made in the end."""
    return json.loads((fixtures / "earlier" / "expected.json").read_text())


@pytest.mark.slow
def test_a_run_is_evaluated_as_then_and_continues(data, expected):
    model = data / "models" / "run"

    def train(**hparams):
        hparams = {**PRETRAINING, **hparams}
        return run("run_pretraining", data_dir=data, model_name="run", hparams=hparams)

    def evaluation():
        return json.loads((model / "eval.json").read_text())

    first = json.loads((model / "metrics.jsonl").read_text().splitlines()[0])
    assert (first.pop("step"), first.pop("split")) == (6, "eval")
    train(do_train=False, do_eval=True)
    found = evaluation()
    assert found.pop("step") == 6
    for name in ("commonest_token", "disc_precision"):  # no number, here
        assert found.pop(name) == first.pop(name)
    assert found == pytest.approx(first, rel=1e-4)

    assert "from step 6 to 12" in train().stderr
    # Since then dropout has drawn other numbers.
    assert evaluation()["loss"] == pytest.approx(expected["evaluation"]["loss"], rel=0.1)


@pytest.mark.slow
def test_a_trial_answers(data, expected):
    lines = "\n".join(LINES)
    done = run(
        "run_finetuning", lines, data_dir=data, model_name="run", hparams=FINETUNING, predict="-"
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for answer, then in zip(answers, expected["answers"], strict=True):
        assert answer["label"] == then["label"]
        assert answer["probabilities"] == pytest.approx(then["probabilities"], abs=1e-5)


@pytest.mark.slow
def test_a_search_ends_with_the_same_string(data, expected):
    run("run_search", data_dir=data, search_name="search", hparams=SEARCH)
    best = (data / "searches" / "search" / "best.toml").read_text()
    assert tomllib.loads(best) == tomllib.loads(expected["best"])
    assert best == expected["best"]
