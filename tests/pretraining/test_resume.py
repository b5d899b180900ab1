"""Killed and continued equals never killed, bit for bit, with real processes and real signals."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_run import arrays, check_same_arrays, hparams_json, make_data, saved_steps

from lvbert_tf.pretraining.run import pretrain
from lvbert_tf.training.checkpoints import find_damage, read_weights

ROOT = Path(__file__).parents[2]
STEPS = 240
SETTINGS = {
    "num_train_steps": STEPS,
    "log_steps": 7,
    "eval_every_steps": 50,
    "save_checkpoints_steps": 20,
    "keep_checkpoint_max": 3,
}
# One step a call, so that a signal finds the run under way; the numbers must not depend on it.
SLOW = {**SETTINGS, "iterations_per_loop": 1}
PATIENCE = 300.0  # seconds, for a busy machine
TIMINGS = {"examples_per_second", "share_of_peak"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("resume") / "data")


def start(data, name, changes):
    command = [sys.executable, "run_pretraining.py", "--data_dir", str(data), "--model_name", name]
    return subprocess.Popen(
        [*command, "--hparams", hparams_json(**changes)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_checkpoint(process, model_dir, step):
    """Waits until a running process has written the checkpoint of `step` or a later one."""
    deadline = time.monotonic() + PATIENCE
    while not any(saved >= step for saved in saved_steps(model_dir)):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def signal_after(process, model_dir, step, number):
    """Sends a signal once there is a checkpoint of `step` or later; returns the exit code."""
    wait_for_checkpoint(process, model_dir, step)
    process.send_signal(number)
    return process.wait(PATIENCE)


def metrics(model_dir):
    lines = (model_dir / "metrics.jsonl").read_text().splitlines()
    return [
        {name: value for name, value in json.loads(line).items() if name not in TIMINGS}
        for line in lines
    ]


@pytest.mark.slow
def test_killed_and_continued_equals_never_killed(data, capfd):
    killed, whole = data / "models" / "killed", data / "models" / "whole"

    process = start(data, "killed", SLOW)
    assert signal_after(process, killed, 20, signal.SIGTERM) == 143, process.stdout.read()
    stopped_at = saved_steps(killed)[-1]
    assert 20 <= stopped_at < STEPS
    assert f"stopped at step {stopped_at}, saved" in process.stdout.read()

    process = start(data, "killed", SLOW)
    assert signal_after(process, killed, stopped_at + 40, signal.SIGKILL) == -signal.SIGKILL
    assert stopped_at + 40 <= saved_steps(killed)[-1] < STEPS
    assert not (killed / "preset").exists()

    assert pretrain(str(data), "killed", hparams_json(**SETTINGS)) == 0
    assert pretrain(str(data), "whole", hparams_json(**SETTINGS)) == 0
    for ours, theirs in zip(metrics(killed), metrics(whole), strict=True):
        assert ours == theirs
    assert [line["step"] for line in metrics(whole) if line["split"] == "eval"] == [
        50,
        100,
        150,
        200,
        240,
    ]
    check_same_arrays(killed, whole, STEPS)

    capfd.readouterr()
    before = {file: file.stat().st_mtime_ns for file in (whole / "preset").iterdir()}
    assert pretrain(str(data), "whole", hparams_json(**SETTINGS)) == 0
    assert "already trained to step 240" in capfd.readouterr().err
    assert {file: file.stat().st_mtime_ns for file in (whole / "preset").iterdir()} == before


@pytest.mark.slow
def test_a_full_disk_keeps_the_last_checkpoint_and_the_same_command_continues(data, capfd):
    model_dir = data / "models" / "full"
    process = start(data, "full", SLOW)
    wait_for_checkpoint(process, model_dir, 20)
    # Room for the metrics of a step, not for another checkpoint.
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2 and "Traceback" not in output, output
    *before, last = saved_steps(model_dir)
    failed = model_dir / "checkpoints" / f"step-{last + 20:08d}"
    assert output.splitlines()[-1] == f"error: cannot write {failed}: File too large"
    assert before == list(range(20, last, 20)) and last < STEPS
    assert find_damage(model_dir / "checkpoints" / f"step-{last:08d}") is None

    assert pretrain(str(data), "full", hparams_json(**SETTINGS)) == 0
    assert f"from step {last} to {STEPS}" in capfd.readouterr().err


@pytest.fixture
def interrupted_by_evaluation(monkeypatch):
    """SIGINT comes in the middle of the first evaluation, until the result is undone."""
    from lvbert_tf.pretraining.evaluation import HeldOut

    evaluate = HeldOut.evaluate

    def interrupt(*arguments, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return evaluate(*arguments, **options)

    monkeypatch.setattr(HeldOut, "evaluate", interrupt)
    return monkeypatch


INTERRUPTED = {"num_train_steps": 6, "eval_every_steps": 4, "log_steps": 2}


def test_interrupted_in_its_own_process(data, interrupted_by_evaluation):
    """SIGINT saves as SIGTERM does, wherever it comes."""
    changes = INTERRUPTED
    assert pretrain(str(data), "interrupted", hparams_json(**changes)) == 130
    model_dir = data / "models" / "interrupted"
    assert saved_steps(model_dir)[-1] == 4
    assert not (model_dir / "eval.json").exists()
    interrupted_by_evaluation.undo()
    assert pretrain(str(data), "interrupted", hparams_json(**changes)) == 0
    lines = [(line["step"], line["split"]) for line in metrics(model_dir)]
    assert lines == [(2, "train"), (4, "train"), (4, "eval"), (6, "train"), (6, "eval")]


def test_stops_after_its_time(data, capfd):
    assert pretrain(str(data), "timed", hparams_json(**SETTINGS, max_hours=1e-4)) == 143
    stopped = saved_steps(data / "models" / "timed")[-1]
    message = f"stopped after max_hours at step {stopped}, saved; the same command continues"
    assert message in capfd.readouterr().err
    changes = {**SETTINGS, "num_train_steps": stopped + 1}
    assert pretrain(str(data), "timed", hparams_json(**changes)) == 0
    assert f"from step {stopped} to {stopped + 1}" in capfd.readouterr().err


def test_an_interrupted_supernet_equals_one_that_was_not(data, interrupted_by_evaluation):
    layers = {"custom_layer_list": "CF", "layer_types": "CF", "generator_layer_list": "F"}
    changes = {**INTERRUPTED, **layers, "ema_decay": 0.5}
    assert pretrain(str(data), "supernet", hparams_json(**changes)) == 130
    assert saved_steps(data / "models" / "supernet") == [3, 4]
    interrupted_by_evaluation.undo()
    for name in ("supernet", "whole_supernet"):
        assert pretrain(str(data), name, hparams_json(**changes)) == 0
    ours, theirs = data / "models" / "supernet", data / "models" / "whole_supernet"
    assert metrics(ours) == metrics(theirs)
    check_same_arrays(ours, theirs, 6)
    weights = read_weights(ours / "checkpoints" / "step-00000006")
    assert weights.keys() == {
        name.split("/")[1].replace("..", ".") for name in arrays(ours, 6) if "averages/" in name
    }
