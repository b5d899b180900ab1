"""Two replicas, and two workers, compute what one device computes on the same global batch."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_run import NO_DROPOUT, check_same_arrays, hparams_json, make_data, saved_steps

from lvbert_tf.pretraining.run import pretrain

ROOT = Path(__file__).parents[2]
STARTED: list[subprocess.Popen] = []
PATIENCE = 400.0  # seconds, for a busy machine
STEPS = 20
SETTINGS = {
    "num_train_steps": STEPS,
    "log_steps": 1,
    "eval_every_steps": 10,
    "save_checkpoints_steps": 100,
    "ema_decay": 0.8,
    "model_hparam_overrides": NO_DROPOUT,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("replicas") / "data")


def lines(data, name):
    text = (data / "models" / name / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def start(data, name, *flags, cluster=None, environment=None, **changes):
    command = [sys.executable, "run_pretraining.py", "--data_dir", str(data), "--model_name", name]
    environment = {"TF_CONFIG": json.dumps(cluster)} if cluster else environment or {}
    process = subprocess.Popen(
        [*command, "--hparams", hparams_json(**{**SETTINGS, **changes}), *flags],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    STARTED.append(process)
    return process


@pytest.fixture(autouse=True)
def nobody_left():
    """Kills the processes that a failed test has left."""
    yield
    while STARTED:
        STARTED.pop().kill()


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def check_equal(ours, theirs):
    assert [(line["step"], line["split"]) for line in ours] == [
        (line["step"], line["split"]) for line in theirs
    ]
    common = ("loss", "mlm_loss", "gradient_norm", "parameter_norm")
    of_discriminator = [name for name in ("disc_loss", "fake_rate") if name in theirs[0]]
    for name in (*common, *of_discriminator):
        pairs = [(a[name], b[name]) for a, b in zip(ours, theirs, strict=True) if name in b]
        assert pairs
        np.testing.assert_allclose(*zip(*pairs, strict=True), rtol=1e-4, err_msg=name)


@pytest.mark.slow
def test_two_replicas_and_accumulation_equal_one_device(data):
    changes = {"gradient_accumulation_steps": 2, "jit_compile": True}
    process = start(data, "two", "--virtual_devices", "2", **changes)
    assert pretrain(str(data), "one", hparams_json(**SETTINGS)) == 0
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert "MirroredStrategy, 2 replicas" in output
    check_equal(lines(data, "two"), lines(data, "one"))


@pytest.mark.slow
def test_two_replicas_skip_steps_alike(data):
    changes = {"learning_rate": 1e18, "num_warmup_steps": 0, "max_skipped_steps": 5}
    changes |= {"jit_compile": True, "precision": "float16"}
    process = start(data, "diverged", "--virtual_devices", "2", **changes)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, output
    assert "nor in the 5 steps before, which were skipped" in output
    skipped = [
        line["skipped_steps"] for line in lines(data, "diverged") if line["split"] == "train"
    ]
    before = skipped[-5] - 1  # while the loss scale was lowered
    assert skipped[-5:] == [before + count for count in (1, 2, 3, 4, 5)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path_sampling", "layer_types", "objective"),
    [
        ("uniform", "CF", {"generator_layer_list": "F", "jit_compile": True}),
        ("fair", "AF", {"generator_layer_list": None, "electra_objective": False}),
    ],
)
def test_two_replicas_of_a_supernet_equal_one_device(data, path_sampling, layer_types, objective):
    changes = {
        "custom_layer_list": layer_types,
        "layer_types": layer_types,
        "path_sampling": path_sampling,
        "num_train_steps": 6,
        "eval_every_steps": 3,
        **objective,
    }
    one, two = (f"{path_sampling}_{number}" for number in ("one", "two"))
    process = start(data, two, "--virtual_devices", "2", **changes)
    assert pretrain(str(data), one, hparams_json(**{**SETTINGS, **changes})) == 0
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    check_equal(lines(data, two), lines(data, one))


# The layers take part in nothing that workers exchange; feed-forward ones are traced soonest.
WORKERS = {"custom_layer_list": "F", "generator_layer_list": "F"}


def clusters():
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    return [
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        for index in range(2)
    ]


def start_workers(data, name="workers", **changes):
    return [start(data, name, cluster=c, **WORKERS, **changes) for c in clusters()]


def finish(workers):
    outputs = [worker.communicate(timeout=PATIENCE)[0] for worker in workers]
    return [worker.returncode for worker in workers], outputs


def check_ended(worker, *last_lines, seconds=PATIENCE):
    """Checks that a worker ends in time, with exit code 2 and one of these messages."""
    output, _ = worker.communicate(timeout=seconds)
    assert worker.returncode == 2 and "Traceback" not in output, output
    assert output.splitlines()[-1].startswith(tuple(f"error: {line}" for line in last_lines))


def start_and_wait(data):
    """Starts two workers that save every step, and waits until they have done three."""
    model_dir = data / "models" / "workers"
    done = max(saved_steps(model_dir), default=0)
    workers = start_workers(data, save_checkpoints_steps=1, iterations_per_loop=1)
    deadline = time.monotonic() + PATIENCE
    while max(saved_steps(model_dir), default=0) < done + 3:
        assert all(worker.poll() is None for worker in workers), finish(workers)
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return workers


LOST = "another worker, or the TPU, was killed"


@pytest.mark.slow
def test_two_workers_lost_stopped_and_continued_equal_those_that_nobody_disturbed(data):
    """Whatever happens to a worker, the other one ends soon: TensorFlow notices in about 10 seconds.

    A signal to the second worker stops both at the same step; the first one saves. What follows equals
    bit for bit a run that nobody stopped.
    """
    early, late = clusters()
    first = start(data, "undisturbed", cluster=early, **WORKERS)
    alone = start(data, "alone", cluster=clusters()[0], **WORKERS, worker_timeout=3)
    check_ended(
        alone, "not all workers have started within 3 seconds (worker_timeout); missing: wo"
    )
    codes, outputs = finish([first, start(data, "undisturbed", cluster=late, **WORKERS)])
    assert codes == [0, 0], "\n".join(outputs)
    assert "written to /" in outputs[0] and "written to /" not in outputs[1]

    for victim in (1, 0):
        workers = start_and_wait(data)
        workers[victim].kill()
        check_ended(workers[1 - victim], LOST, seconds=60)

    workers = start_and_wait(data)
    # Room for the metrics of a step, not for another checkpoint.
    resource.prlimit(workers[0].pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    check_ended(workers[0], f"cannot write {data}/models/workers/checkpoints/step-", seconds=60)
    check_ended(workers[1], LOST, seconds=60)

    workers = start_and_wait(data)
    workers[1].send_signal(signal.SIGTERM)
    codes, outputs = finish(workers)
    assert codes == [143, 143], "\n".join(outputs)
    stopped_at = saved_steps(data / "models" / "workers")[-1]
    assert 12 <= stopped_at < STEPS

    codes, outputs = finish(start_workers(data))
    assert codes == [0, 0], "\n".join(outputs)
    assert f"2 replicas on CPU, 96 examples; from step {stopped_at} to {STEPS}" in outputs[0]
    models = data / "models"
    check_same_arrays(models / "workers", models / "undisturbed", STEPS)
    assert pretrain(str(data), "one_device", hparams_json(**{**SETTINGS, **WORKERS})) == 0
    check_equal(lines(data, "workers"), lines(data, "one_device"))


@pytest.mark.slow
def test_workers_that_begin_differently_refuse_to_train_together(data, tmp_path):
    """Of two tasks of Slurm, one sees the run's checkpoint, the other one an empty model directory."""
    begun = {**SETTINGS, **WORKERS, "num_train_steps": 2, "eval_every_steps": 2}
    assert pretrain(str(data), "begun", hparams_json(**begun)) == 0
    other = shutil.copytree(data, tmp_path / "data", ignore=shutil.ignore_patterns("models"))
    step = {
        "SLURM_JOB_ID": str(os.getpid()),  # the ports follow from it
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_TASKS_PER_NODE": "2",
    }
    first, second = ({**step, "SLURM_PROCID": str(index)} for index in range(2))
    workers = [
        start(data, "begun", environment=first, **WORKERS),
        start(other, "begun", environment=second, **WORKERS, train_batch_size=16),
    ]
    codes, outputs = finish(workers)
    assert codes == [2, 2], "\n".join(outputs)
    for output in outputs:
        assert "Traceback" not in output
        message = (
            "error: worker 1 differs from worker 0 in hparams, step, weights: start all workers"
        )
        assert output.splitlines()[-1].startswith(message)
    assert not list(other.glob("models/begun/metrics.jsonl"))
