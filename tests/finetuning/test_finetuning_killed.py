"""Killed and continued equals never killed, with real processes and real signals."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_tuning import NAME, make_data, settings

from lvbert_tf.finetuning.run import finetune

ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds, for a busy machine
LAYERS = "A"  # with both kinds of dropout
TASKS = ("sst", "sts")
SETTINGS = {
    "num_trials": 2,
    "num_train_epochs": 10,
    "save_checkpoints_steps": 50,
    "learning_rate": 1e-3,
}
# One step a call, so that a signal finds the run under way; the numbers must not depend on it.
HPARAMS = settings(*TASKS, **SETTINGS, iterations_per_loop=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("killed") / "data", LAYERS)


class Program:
    """A running program; what it says goes to a file, as a pipe that nobody reads would fill up."""

    def __init__(self, data):
        self._said = data / "said.txt"
        command = [sys.executable, "run_finetuning.py", "--data_dir", str(data)]
        command += ["--model_name", NAME, "--hparams", HPARAMS]
        with self._said.open("w") as file:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=file
            )

    def signal_after(self, checkpoints, step, number):
        """Sends a signal at a checkpoint of `step` or later, and waits for the end."""
        deadline = time.monotonic() + PATIENCE
        while not any(int(path.name[5:]) >= step for path in checkpoints.glob("step-*")):
            assert self._process.poll() is None, self.end()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self._process.send_signal(number)
        return self.end()

    def end(self):
        """(the exit code, what was said)."""
        status = self._process.wait(PATIENCE)
        return status, self._said.read_text()


def continued_from(trial, said):
    """The step from which a trial says that it continues."""
    return int(re.search(rf"trial {trial} continues from step (\d+)", said)[1])


def results(data):
    models = data / "models" / NAME / "finetuning_models"
    found = [
        json.loads((models / f"sst,sts_{trial}" / "result.json").read_text()) for trial in (1, 2)
    ]
    return [(trial["seed"], trial["steps"], trial["figures"]) for trial in found]


@pytest.mark.slow
def test_killed_in_one_trial_and_stopped_politely_in_the_other(data, tmp_path):
    whole = make_data(tmp_path / "whole", LAYERS)
    assert finetune(str(whole), NAME, settings(*TASKS, **SETTINGS)) == 0
    expected = results(whole)
    total = expected[0][1]
    assert total > 500  # far more than when the signals come

    models = data / "models" / NAME / "finetuning_models"
    first, second = (models / f"sst,sts_{trial}" / "checkpoints" for trial in (1, 2))
    status, _ = Program(data).signal_after(first, 100, signal.SIGKILL)
    assert status == -signal.SIGKILL
    status, said = Program(data).signal_after(second, 100, signal.SIGTERM)
    assert status == 143 and "continues" in said
    assert continued_from(1, said) >= 100
    status, said = Program(data).end()
    assert status == 0, said
    assert continued_from(2, said) >= 100 and f"of {total}" in said
    assert "trial 1 " not in said  # it was done
    assert results(data) == expected
