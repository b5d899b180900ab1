"""An output that is written on after a kill."""

import errno
import fcntl
import multiprocessing
import os
import shutil
import signal

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io.unfinished import unfinished_output

KEY = {"seed": 1, "the text": "abc"}


@pytest.fixture
def write(tmp_path):
    """Writes an output in one step for each number, all of which are in its file in the end."""

    def write(numbers, key=KEY, fail_at=None, overwrite=False):
        notes = []
        with unfinished_output(
            tmp_path / "out", key, overwrite, lambda name: name == "numbers", notes.append
        ) as unfinished:
            done = unfinished.state or 0
            with (unfinished.directory / "numbers").open("a") as file:
                for number in numbers[done:]:
                    if number == fail_at:
                        raise InputError(f"failed at {number}")
                    file.write(f"{number}\n")
                    file.flush()
                    done += 1
                    unfinished.save(done)
        return notes

    return write


def written(tmp_path):
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["numbers"]
    return (tmp_path / "out" / "numbers").read_text().split()


def test_it_appears_whole(tmp_path, write):
    assert write([1, 2]) == []
    assert written(tmp_path) == ["1", "2"]
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o777 & ~os.umask(0o22)


def test_what_was_saved_before_a_failure_is_continued(tmp_path, write):
    with pytest.raises(InputError, match="failed at 3"):
        write([1, 2, 3, 4], fail_at=3)
    assert not (tmp_path / "out").exists()
    assert write([1, 2, 5]) == []
    assert written(tmp_path) == ["1", "2", "5"]


def test_the_user_is_told_what_stays(tmp_path):
    notes = []
    with (
        pytest.raises(KeyboardInterrupt),
        unfinished_output(tmp_path / "out", KEY, False, bool, notes.append) as unfinished,
    ):
        unfinished.save({})
        raise KeyboardInterrupt
    place = tmp_path / ".tmp-out-unfinished"
    assert notes == [f"what was written so far stays in {place}, and the same command continues it"]
    assert place.is_dir()


def test_nothing_stays_where_nothing_was_saved(tmp_path, write):
    with pytest.raises(InputError):
        write([1], fail_at=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda place: None, "the text changed"),
        (lambda place: (place / "state.json").write_text("{"), "state.json is damaged"),
        (lambda place: (place / "state.json").write_text("[]"), "state.json is damaged"),
        (lambda place: (place / "state.json").write_text('{"key": 3}'), "state.json is damaged"),
        (lambda place: (place / "state.json").unlink(), None),
        (lambda place: shutil.rmtree(place / "files"), None),
    ],
    ids=["key", "cut", "list", "number", "none", "files"],
)
def test_a_state_of_no_use_is_removed(tmp_path, write, change, why):
    with pytest.raises(InputError):
        write([1, 2, 3], fail_at=3)
    change(tmp_path / ".tmp-out-unfinished")
    notes = write([7, 8], key={**KEY, "the text": "xyz"} if why == "the text changed" else KEY)
    assert written(tmp_path) == ["7", "8"]
    assert [note.split(": ")[-1].split("/")[-1] for note in notes] == ([why] if why else [])


def test_an_output_that_is_there_is_refused_and_the_state_stays(tmp_path, write):
    with pytest.raises(InputError):
        write([1, 2], fail_at=2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "numbers").write_text("9\n")
    with pytest.raises(InputError, match="is not empty; name another directory or give --over"):
        write([1, 2])
    write([1, 2], overwrite=True)
    assert written(tmp_path) == ["1", "2"]


def _hold(path, ready, end):
    with unfinished_output(path, KEY, False, bool, print):
        ready.set()
        end.wait()


def test_two_processes_do_not_write_the_same_output(tmp_path, write):
    context = multiprocessing.get_context("spawn")
    ready, end = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "out", ready, end))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(InputError, match="out is being written by another process"):
            write([1])
        os.kill(other.pid, signal.SIGKILL)
        other.join()
        write([1])  # the lock has ended with its process
        assert written(tmp_path) == ["1"]
    finally:
        other.kill()


def test_a_file_system_without_locks(tmp_path, write, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    assert write([1, 2]) == []
    assert written(tmp_path) == ["1", "2"]


def test_a_full_disk(tmp_path, full_disk):
    notes = []
    with (
        full_disk(1000),
        pytest.raises(InputError, match=r"File too large: .*; make room, and the same command con"),
        unfinished_output(tmp_path / "out", KEY, False, bool, notes.append) as unfinished,
    ):
        unfinished.save(1)
        (unfinished.directory / "file").write_bytes(b"x" * 5000)
    assert len(notes) == 1
