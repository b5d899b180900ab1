"""The program that plans: its table, its JSON, its errors, and how it starts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE = ("--hparams", "configs/lv_bert_base.toml", "--corpus_gb", "300", "--devices", "tpu-v5e-16")


def plan(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "lvbert_tf.plan", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_table_and_the_json_agree():
    table, numbers = plan(*BASE), plan(*BASE, "--json")
    assert table.returncode == numbers.returncode == 0, table.stderr + numbers.stderr
    values = json.loads(numbers.stdout)["run"]
    assert values["step"]["flops"] == pytest.approx(1.79e13, rel=0.01)
    assert f"{values['planned']['hours']:.1f} hours, ${values['planned']['dollars']:,.0f}" in (
        table.stdout
    )
    assert f"breaks first                    {values['breaks_first']}" in table.stdout
    assert all(len(line) < 120 for line in table.stdout.splitlines())


def test_own_prices_and_speeds():
    own = ("--dollars_per_chip_hour", "0.5", "--share_of_peak", "0.2", "--build_cores", "8")
    values = json.loads(plan(*BASE, *own, "--json").stdout)
    planned = values["run"]["planned"]
    assert planned["dollars"] == pytest.approx(planned["hours"] * 16 * 0.5)
    assert (
        planned["hours"] > 1.5 * json.loads(plan(*BASE, "--json").stdout)["run"]["planned"]["hours"]
    )
    assert "$0.50 a chip and hour\n" in plan(*BASE, *own).stdout


def test_a_search_and_a_batch_that_does_not_fit():
    search = ("--hparams", "configs/search_small.toml", "--search", "--trainings", "5")
    done = plan(*search, *BASE[2:])
    assert "2,100 strings on 12,800 held-out sequences" in done.stdout
    assert "5 trainings" in done.stdout
    large = '{"model_size": "large", "train_batch_size": 2048}'
    done = plan("--hparams", large, *BASE[2:4], "--devices", "l4-8")
    assert "THE BATCH DOES NOT FIT in 24 GB; set gradient_accumulation_steps " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (BASE[:4], "--devices"),
        ((*BASE[:4], "--devices", "tpu-v9-4"), "tpu-v9-4"),
        ((*BASE[:4], "--devices", "a100-7"), "not a multiple of 7"),
        ((*BASE, "--corpus_gb", "-1"), "corpus_gb"),
        ((*BASE, "--corpus_gb", "nan"), "corpus_gb"),
        ((*BASE, "--share_of_peak", "1.1"), "share_of_peak"),
        ((*BASE, "--trainings", "3"), "--trainings is of no use without --search"),
        ((*BASE, "--hparams", '{"hiden": 1}'), "unknown hparam 'hiden'"),
        ((*BASE, "--hparams", "none.toml"), "none.toml does not exist"),
    ],
)
def test_bad_input_is_one_line(arguments, said):
    done = plan(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert said in done.stderr


def test_it_starts_without_tensorflow():
    code = (
        "import sys; import lvbert_tf.plan.__main__;"
        "print({'tensorflow', 'keras', 'optuna', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
