import errno
import fcntl
import os
import threading
import time

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io import notices
from lvbert_tf.io.locks import changing, holding, take, training_in
from lvbert_tf.io.whole import draft, publish, replace_file


def test_of_two_that_change_a_file_one_waits(tmp_path):
    path = tmp_path / "new" / "count"

    def count():
        with changing(path):
            before = int(path.read_text()) if path.exists() else 0
            time.sleep(0.05)
            replace_file(path, str(before + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() == "4"


def test_a_place_without_a_lock_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"cannot lock .*file/.x.lock: "),
        changing(tmp_path / "file" / "x"),
    ):
        pass


def test_the_lock_is_free_again_after_its_run(tmp_path):
    for _ in range(2):
        with (
            training_in(tmp_path / "m"),
            pytest.raises(InputError, match="another process is training"),
            training_in(tmp_path / "m"),
        ):
            pass


def test_parts_are_held_one_by_one(tmp_path):
    with (
        training_in(tmp_path / "m", "sst"),
        training_in(tmp_path / "m", "sst,sts"),
        pytest.raises(InputError, match=r"another process is training sst in .*m$"),
        training_in(tmp_path / "m", "sst"),
    ):
        pass


def test_a_place_that_cannot_be_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"cannot create .*file/m: Not a directory"),
        training_in(tmp_path / "file" / "m"),
    ):
        pass


def test_a_file_system_without_locks_is_one_warning(tmp_path, monkeypatch, capfd):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(notices, "_given", set())
    for _ in range(2):
        with training_in(tmp_path / "m"), changing(tmp_path / "m" / "x"):
            replace_file(tmp_path / "m" / "x", "new")
    with draft(tmp_path / "m" / "set") as directory:
        (directory / "data").write_text("x")
        publish(directory, tmp_path / "m" / "set")
    assert (tmp_path / "m" / "set" / "data").exists()
    (told,) = capfd.readouterr().err.splitlines()
    assert "m has no locks (No locks available); see to it" in told
    with (tmp_path / "journal").open("w") as file, pytest.raises(OSError):
        take(file.fileno())


def test_a_lock_that_cannot_be_is_no_missing_lock(tmp_path, monkeypatch):
    def fail(descriptor, operation):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="Input/output error"), holding(tmp_path / "lock"):
        pass
