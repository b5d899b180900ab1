import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.training.checkpoints import Checkpoints, find_damage, read_weights


class Run:
    """A small model with an optimizer, and its checkpoints."""

    def __init__(self, directory, keep=0, writer=True):
        self.model = keras.Sequential([keras.layers.Dense(3, name="dense")])
        self.model.build((None, 4))
        self.optimizer = keras.optimizers.SGD(momentum=0.5)
        self.optimizer.build(self.model.trainable_variables)
        self.note = tf.Variable("", dtype=tf.string)
        self.messages = []
        self.checkpoints = Checkpoints(
            directory,
            keep,
            writer,
            weights={f"dense.{weight.name}": weight for weight in self.model.weights},
            optimizer=self.optimizer,
            note=self.note,
        )

    def save(self, step):
        for weight in self.model.weights:
            weight.assign(np.full(weight.shape, step, np.float32))
        self.optimizer.iterations.assign(step)
        self.note.assign(f"step {step}")
        return self.checkpoints.save(step)

    def restore(self):
        return self.checkpoints.restore_latest(self.messages.append)

    def holds(self, step):
        values = {float(value) for weight in self.model.weights for value in np.ravel(weight)}
        return values == {float(step)} and int(self.optimizer.iterations.numpy()) == step


def data_file(path):
    return next(file for file in path.iterdir() if ".data-" in file.name)


def test_restores_model_optimizer_and_notes(tmp_path):
    Run(tmp_path).save(7)
    run = Run(tmp_path)
    assert run.restore() == 7
    assert run.holds(7)
    assert run.note.numpy() == b"step 7"
    assert run.messages == []


def test_a_path_may_have_what_tensorflow_takes_for_wildcards(tmp_path):
    directory = tmp_path / "data[1]" / "what?"
    path = Run(directory).save(7)
    run = Run(directory)
    assert run.restore() == 7 and run.holds(7) and run.messages == []
    assert find_damage(path) is None and read_weights(path)
    data_file(path).write_bytes(b"")
    assert find_damage(path)


def test_weights_have_readable_names(tmp_path):
    weights = read_weights(Run(tmp_path).save(7))
    assert {name: value.shape for name, value in weights.items()} == {
        "dense.kernel": (4, 3),
        "dense.bias": (3,),
    }


def test_nothing_saved_restores_nothing(tmp_path):
    assert Run(tmp_path / "none").restore() is None
    (tmp_path / "step-00000001.old").mkdir()
    assert Run(tmp_path).restore() is None


@pytest.mark.parametrize(
    ("keep", "left"), [(0, [1, 2, 3]), (None, [1, 2, 3]), (1, [3]), (2, [2, 3])]
)
def test_keeps_the_newest(tmp_path, keep, left):
    run = Run(tmp_path, keep)
    for step in (1, 2, 3):
        run.save(step)
    assert run.checkpoints.steps() == left


def test_a_step_is_saved_once(tmp_path):
    run = Run(tmp_path)
    first = run.save(1)
    written = first.stat().st_mtime_ns
    assert run.save(1) == first
    assert first.stat().st_mtime_ns == written


def test_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    rename, done = Path.rename, []

    def note_rename(path, target):
        assert not target.exists()
        done.append("renamed")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", lambda file: done.append(os.fstat(file).st_ino))
    monkeypatch.setattr(Path, "rename", note_rename)
    saved = Run(tmp_path).save(1)
    before, after = done[: done.index("renamed")], done[done.index("renamed") + 1 :]
    assert set(before) >= {path.stat().st_ino for path in (saved, *saved.iterdir())}
    assert after == [tmp_path.stat().st_ino]


ON_A_REMOTE_HOST = """
import socket, sys
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.ops import io_ops
from lvbert_tf.training.checkpoints import Checkpoints

seen = []

def noting(operation):
    def call(*arguments, **named):
        seen.append((operation.__name__, context.context().device_name))
        return operation(*arguments, **named)
    return call

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{free.getsockname()[1]}"
cluster = tf.train.ClusterSpec({"worker": [address]})
server = tf.distribute.Server(cluster, "worker", 0)
tf.config.experimental_connect_to_cluster(cluster)
with tf.device("/job:worker/task:0/device:CPU:0"):
    weight = tf.Variable([1.0, 2.0])
assert "/job:worker" in weight.device
io_ops.save_v2, io_ops.restore_v2 = noting(io_ops.save_v2), noting(io_ops.restore_v2)
checkpoints = Checkpoints(sys.argv[1], 0, io_device="/job:localhost", weights={"w": weight})
checkpoints.save(3)
weight.assign([0.0, 0.0])
assert checkpoints.restore_latest(print) == 3
assert weight.numpy().tolist() == [1.0, 2.0]
assert {name for name, _ in seen} == {"save_v2", "restore_v2"}, seen
assert all(device.startswith("/job:localhost") for _, device in seen), seen
"""


@pytest.mark.slow
def test_variables_of_remote_hosts_are_saved_and_restored_by_this_one(tmp_path):
    process = subprocess.run(
        [sys.executable, "-c", ON_A_REMOTE_HOST, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stdout


def test_half_of_a_state_is_not_restored(tmp_path):
    Run(tmp_path).save(1)
    larger = Checkpoints(tmp_path, 0, note=tf.Variable("", dtype=tf.string), more=tf.Variable(0.0))
    with pytest.raises(InputError, match="no run to continue"):
        larger.restore_latest(print)


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0x40
    file.write_bytes(bytes(content))


def empty(file):
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, empty, lambda file: file.unlink()])
@pytest.mark.parametrize("which", ["data", "index"])
def test_falls_back_from_a_damaged_checkpoint(tmp_path, damage, which):
    run = Run(tmp_path)
    run.save(1)
    newest = run.save(2)
    damage(data_file(newest) if which == "data" else newest / "state.index")
    run = Run(tmp_path)
    assert run.restore() == 1
    assert run.holds(1)
    assert len(run.messages) == 1
    assert "step-00000002 is damaged" in run.messages[0]


@pytest.mark.parametrize("keep", [0, 1])
def test_saves_after_a_fallback_replace_the_damaged_checkpoint(tmp_path, keep):
    run = Run(tmp_path)
    run.save(2)
    run.save(7)
    damaged = run.save(9)
    cut(data_file(damaged))
    run = Run(tmp_path, keep)
    assert run.restore() == 7
    run.save(8)
    assert run.checkpoints.steps() == ([8] if keep else [2, 7, 8])
    run.save(9)
    assert find_damage(damaged) is None
    assert find_damage(tmp_path / "damaged-step-00000009")
    run = Run(tmp_path)
    assert run.restore() == 9
    assert not run.messages


def test_refuses_to_start_anew_when_all_are_damaged(tmp_path):
    run = Run(tmp_path)
    cut(data_file(run.save(1)))
    with pytest.raises(InputError, match=r"no checkpoint in .* can be read"):
        run.restore()


def test_a_kill_while_writing_leaves_no_checkpoint(tmp_path):
    run = Run(tmp_path)
    saved = run.save(1)
    half_written = tmp_path / ".tmp-checkpoint-0a1b2c3d"
    half_written.mkdir()
    (tmp_path / ".writing-2").mkdir()  # of earlier releases
    (half_written / "state.data-00000-of-00001").write_bytes(data_file(saved).read_bytes()[:50])
    run = Run(tmp_path)
    assert run.restore() == 1
    run.save(2)
    assert run.checkpoints.steps() == [1, 2]
    assert len(list(tmp_path.iterdir())) == 2
    assert find_damage(run.checkpoints.path(2)) is None


def test_only_the_writer_writes(tmp_path):
    Run(tmp_path, writer=False).save(1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room", [0, 20])
def test_a_full_disk_is_one_line_and_keeps_the_older_one(tmp_path, full_disk, room):
    run = Run(tmp_path)
    run.save(1)
    with (
        full_disk(room),
        pytest.raises(InputError, match=r"cannot write .*step-00000002: File") as e,
    ):
        run.save(2)
    assert str(e.value).endswith("File too large")
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert find_damage(run.checkpoints.path(1)) is None
    run.save(2)
    assert run.checkpoints.steps() == [1, 2]


def test_an_unwritable_place_is_one_line(tmp_path):
    (tmp_path / "checkpoints").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot write .*step-00000001: "):
        Run(tmp_path / "checkpoints").save(1)
