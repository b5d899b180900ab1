"""Processes that benchmarks start: what they may import, and what their failures say."""

import sys

import pytest

from benchmarks.contestant import Contestant, driver, spread
from lvbert_tf.errors import InputError

# As much of the reference and of TensorFlow 1 as `reference_step.py` calls.
CHECKOUT = {
    "configure_pretraining.py": """
class PretrainingConfig:
    def __init__(self, name, data_dir, **hparams):
        self.__dict__.update(hparams, custom_layer_list=hparams.get("custom_layer_list"))
        self.learning_rate = self.num_train_steps = self.weight_decay_rate = 0
        self.num_warmup_steps = self.lr_decay_power = 0
""",
    "run_pretraining.py": """
import sys
assert "lvbert_tf" not in sys.modules

class PretrainingModel:
    def __init__(self, config, features, is_training):
        self.total_loss = float("".join(map(str, config.custom_layer_list)))
""",
    "model/__init__.py": "",
    "model/optimization.py": "def create_optimizer(loss, *_, **__): return None",
    "tensorflow/__init__.py": "__version__ = 'of a test'",
    "tensorflow/compat/__init__.py": "",
    "tensorflow/compat/v1.py": """
from unittest import mock
logging, constant, ones, int32 = mock.Mock(), mock.Mock(), mock.Mock(), None
global_variables_initializer = mock.Mock()

class Session:
    def run(self, fetched): return fetched
""",
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    root = tmp_path_factory.mktemp("checkout")
    for name, text in CHECKOUT.items():
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text(text)
    return str(root)


def reference(checkout, *arguments):
    command = driver("baselines.reference_step", "--layers", "CAAF", *arguments)
    return Contestant("reference", "CAAF", "float32", command, python_path=checkout)


def test_the_reference_is_the_checkout_and_not_this_project(checkout, tmp_path, monkeypatch):
    """Both have a `run_pretraining.py`; and it does not matter where the process is started from."""
    monkeypatch.chdir(tmp_path)
    contestant = reference(checkout)
    contestant.run(["--steps", "3"])
    (result,) = contestant.results
    assert result["loss"] == 112  # C, A, A, F are 0, 1, 1, 2 there
    assert (len(result["all"]), result["framework"]) == (3, "tensorflow of a test")


@pytest.mark.parametrize(
    ("contestant", "message"),
    [
        (reference(None), r"reference_step failed: .*PYTHONPATH names no checkout"),
        (reference(None, "--layers", "CAX"), r"reference_step failed: .*'X' at position 2"),
        (Contestant("x", "x", "x", driver("machine")), r"-m benchmarks\.machine failed: no output"),
        (
            Contestant("x", "x", "x", driver("machine", python="/nowhere/python")),
            r"/nowhere/python: No such file or directory",
        ),
    ],
    ids=["no checkout", "no layer", "no output", "no python"],
)
def test_failures_say_why(contestant, message):
    with pytest.raises(InputError, match=message):
        contestant.run([])
    assert contestant.results == []


def test_a_path_of_python_does_not_depend_on_where_it_is_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert driver("x", python="env/bin/python")[0] == str(tmp_path / "env/bin/python")
    assert driver("x", python="python3.7")[0] == "python3.7"
    assert driver("x", "--a")[:] == [sys.executable, "-m", "benchmarks.x", "--a"]


def test_a_spread_is_over_rounds():
    results = [{"all": [1.0, 1.2, 9.0]}, {"all": [1.0, 1.0, 1.1]}, {"all": [1.4, 1.4, 1.4]}]
    rounds = Contestant("x", "x", "x", [], results).round_seconds
    assert rounds == [1.2, 1.0, 1.4]
    assert spread(rounds, 1) == "1.2 (1.0 to 1.4)"
    assert spread(rounds[:1], 2) == "1.20"
