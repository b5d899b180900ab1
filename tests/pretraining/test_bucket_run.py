"""Pre-training whose every path is in a bucket, killed and continued, with real processes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_run import check_same_arrays, hparams_json, make_data

from lvbert_tf.io.bucket_directories import MARKER, is_whole, local_copy
from lvbert_tf.pretraining.run import pretrain
from lvbert_tf.runs.model_directory import read_config
from lvbert_tf.training.checkpoints import step_paths

ROOT = Path(__file__).parents[2]
STEPS = 60
SETTINGS = {
    "num_train_steps": STEPS,
    "log_steps": 7,
    "eval_every_steps": 25,
    "save_checkpoints_steps": 10,
    "keep_checkpoint_max": 2,
    "iterations_per_loop": 1,
    "jit_compile": False,
}
TIMINGS = {"examples_per_second", "share_of_peak"}


@pytest.fixture
def data(bucket, tmp_path):
    local = make_data(tmp_path / "data")
    files = (file for file in local.rglob("*") if file.is_file())
    (bucket / "data").upload({file: file.relative_to(local).as_posix() for file in files})
    return bucket / "data"


def lines(model_dir):
    found = map(json.loads, (model_dir / "metrics.jsonl").read_text().splitlines())
    return [{key: line[key] for key in line.keys() - TIMINGS} for line in found]


@pytest.mark.slow
def test_killed_and_continued_equals_a_run_on_the_disk(data, tmp_path, capfd):
    killed, whole = data / "models" / "m", tmp_path / "data" / "models" / "m"
    command = [sys.executable, "run_pretraining.py", "--data_dir", str(data), "--model_name", "m"]
    process = subprocess.Popen([*command, "--hparams", hparams_json(**SETTINGS)], cwd=ROOT)
    deadline = time.monotonic() + 300
    while not (killed / "checkpoints" / "step-00000020" / MARKER).exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    saved = step_paths(killed / "checkpoints")
    # What it would have left a moment later: a checkpoint of which a part has been written.
    half = killed / "checkpoints" / "step-00000059"
    (half / MARKER).write_text('{"state": "writing"}')
    (half / "state.index").write_bytes((saved[-1] / "state.index").read_bytes())
    assert step_paths(killed / "checkpoints") == saved
    capfd.readouterr()

    assert pretrain(str(data), "m", hparams_json(**SETTINGS)) == 0
    assert f"from step {int(saved[-1].name[5:])} to {STEPS}" in capfd.readouterr().err
    assert [path.name for path in step_paths(killed / "checkpoints")] == [
        "step-00000050",
        "step-00000060",
    ]
    assert not half.exists() and not (killed / ".lock").exists() and is_whole(killed / "preset")
    assert pretrain(str(tmp_path / "data"), "m", hparams_json(**SETTINGS)) == 0
    with local_copy(killed) as copy:
        check_same_arrays(copy, whole, STEPS)
    assert lines(killed) == lines(whole) and len(lines(whole)) > 8
    assert len(list((killed / "tensorboard" / "train").iterdir())) == 2
    assert read_config(killed).num_train_steps == STEPS
    assert not (ROOT / "gs:").exists()
