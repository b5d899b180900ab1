"""The folder on this machine for what goes to a bucket or comes from one."""

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io.bucket_directories import local_copy
from lvbert_tf.io.mirrors import Mirror
from lvbert_tf.io.unfinished import unfinished_output
from lvbert_tf.io.whole import draft, local_place

HOLD = """
import sys, time
from lvbert_tf.io.bucket_directories import local_copy
from lvbert_tf.io.mirrors import Mirror
from lvbert_tf.io.paths import parse_path
path = parse_path(sys.argv[1])
with local_copy(path) as copy:
    mirror = Mirror(path)
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the folder is, in a directory for temporary files that no other test uses."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path / "temporary" / f"lvbert_tf-{os.getuid()}"


def test_nobody_else_looks_into_it(bucket, folder):
    with draft(bucket / "set"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [*folder.parent.iterdir()] == [folder]


def put_link(folder):
    (folder.parent / "theirs").mkdir()
    folder.symlink_to("theirs")


def put_another_users(folder):
    folder.mkdir()


@pytest.mark.parametrize("put", [put_link, put_another_users, lambda folder: folder.touch()])
def test_what_others_put_there_is_refused(bucket, folder, monkeypatch, put):
    if put is put_another_users:
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        folder = folder.with_name("lvbert_tf-12345")
    put(folder)
    said = r"lvbert_tf-\d+ is not a directory of this user; remove it, or set TMPDIR to another"
    with pytest.raises(InputError, match=said), draft(bucket / "set"):
        pass
    with (
        pytest.raises(InputError, match=said),
        unfinished_output(bucket / "set", {}, False, bool, print),
    ):
        pass
    assert not folder.is_dir() or [*folder.iterdir()] == []


def test_a_place_that_cannot_be_is_one_line(bucket, folder, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "none"))
    with pytest.raises(InputError, match=r"^cannot create .*: No such file"), draft(bucket / "set"):
        pass


def test_each_path_has_a_place_of_its_own(bucket, folder):
    long = "/".join(["a" * 60] * 5)
    places = [local_place(bucket / name / long) for name in ("one", "other")]
    assert places[0] != places[1] and local_place(bucket / "one" / long) == places[0]
    assert {place.parent for place in places} == {folder}
    assert all(len(f".tmp-{place.name}-unfinished") < 256 for place in places)


def test_copies_in_use_stay_and_what_a_killed_process_left_is_removed(bucket, folder):
    (bucket / "set" / "data").write_text("x")
    command = [sys.executable, "-c", HOLD, str(bucket / "set")]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "ready\n"
    theirs = sorted(folder.iterdir())
    assert len(theirs) == 2
    with local_copy(bucket / "set") as one, local_copy(bucket / "set") as other:
        assert (one / "data").exists() and (other / "data").exists()
        assert set(theirs) < set(folder.iterdir())
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert sorted(folder.iterdir()) == theirs
    mirror = Mirror(bucket / "set")
    assert mirror.local.is_dir() and not set(theirs) & set(folder.iterdir())
    mirror.close()
    assert [*folder.iterdir()] == [] and [*(bucket / "set").objects()] == ["data"]


def test_where_there_are_no_locks_no_copy_is_taken_for_a_left_one(bucket, folder, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    (bucket / "set" / "data").write_text("x")
    with local_copy(bucket / "set") as one, local_copy(bucket / "set"):
        assert (one / "data").exists()
