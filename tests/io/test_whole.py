import contextlib
import errno
import json
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io import notices
from lvbert_tf.io.whole import draft, new_output, new_text_file, publish, replace_file, write_json


def test_text_and_bytes(tmp_path):
    for content, written in (("é\n", b"\xc3\xa9\n"), (b"\0\xff", b"\0\xff")):
        replace_file(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == written
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    replace, done = os.replace, []
    monkeypatch.setattr(os, "fsync", lambda file: done.append("flushed"))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("renamed"), replace(*paths)))
    replace_file(tmp_path / "file", "new")
    assert done == ["flushed", "renamed"]


def test_a_full_disk_keeps_the_old_file(tmp_path, full_disk):
    path = tmp_path / "file"
    replace_file(path, "old")
    with full_disk(5), pytest.raises(InputError, match=r"cannot write .*file: File too large"):
        replace_file(path, "much longer than five bytes")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_json_keeps_the_old_file(tmp_path):
    path = tmp_path / "eval.json"
    write_json(path, {"step": 1})
    with pytest.raises(TypeError):
        write_json(path, {"step": 2, "of no JSON type": object()})
    assert json.loads(path.read_text()) == {"step": 1}


def test_a_new_file_replaces_none(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(InputError, match="file exists; move it away"), new_text_file(path) as file:
        file.write("ours")
        path.write_text("another's")
    with pytest.raises(InputError, match="file exists; move it away"), new_text_file(path):
        pytest.fail("there was a file before")
    assert path.read_text() == "another's" and names(tmp_path) == ["file"]
    with new_text_file(tmp_path / "new") as file:
        file.write("é")
    assert (tmp_path / "new").read_text() == "é"


def make(path, text="new", overwrite=False):
    with new_output(path, overwrite, lambda name: name.startswith("data")) as directory:
        (directory / "data-0").write_text(text)
        assert not (path / "data-0").exists() or (path / "data-0").read_text() != text


def names(path):
    return sorted(entry.name for entry in path.iterdir())


def test_the_directory_appears_complete(tmp_path):
    path = tmp_path / "a" / "set"
    make(path)
    assert names(path) == ["data-0"] and names(path.parent) == ["set"]
    assert path.stat().st_mode & 0o777 == 0o777 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_nothing_is_left_after_a_failure(tmp_path):
    with pytest.raises(RuntimeError), new_output(tmp_path / "set", False, bool) as directory:
        (directory / "data-0").write_text("half")
        raise RuntimeError
    assert names(tmp_path) == []


def test_an_existing_set_is_kept_unless_overwritten(tmp_path):
    path = tmp_path / "set"
    path.mkdir()
    make(path, "old")
    with pytest.raises(InputError, match=r"is not empty; .* --overwrite"):
        make(path)
    assert (path / "data-0").read_text() == "old"
    make(path, "new", overwrite=True)
    assert (path / "data-0").read_text() == "new"
    assert names(tmp_path) == ["set"]


def test_a_failure_keeps_what_was_to_be_overwritten(tmp_path):
    path = tmp_path / "set"
    make(path, "old")
    with pytest.raises(RuntimeError), new_output(path, True, bool):
        raise RuntimeError
    assert (path / "data-0").read_text() == "old" and names(tmp_path) == ["set"]


def test_other_files_are_never_overwritten(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.tex").write_text("work")
    with pytest.raises(InputError, match=r"holds 'thesis\.tex', which --overwrite would lose"):
        make(tmp_path / "set", overwrite=True)
    (tmp_path / "file").write_text("work")
    with pytest.raises(InputError, match="exists and is not a directory"):
        make(tmp_path / "file", overwrite=True)
    with pytest.raises(InputError, match=r"cannot write to .*file/set: "):
        make(tmp_path / "file" / "set")


def test_a_full_disk_is_one_line(tmp_path):
    with (
        pytest.raises(InputError, match=r"No space left on device: .*set; nothing was written"),
        new_output(tmp_path / "set", False, bool),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []


def test_a_run_killed_between_the_renames_loses_nothing(tmp_path):
    path = tmp_path / "set"
    make(path, "old")
    path.rename(tmp_path / ".tmp-set-retired")
    with pytest.raises(InputError, match="is not empty"):
        make(path)
    assert (path / "data-0").read_text() == "old" and names(tmp_path) == ["set"]


HOLD_DIRECTORY = """
from pathlib import Path
from lvbert_tf.io.whole import new_output
with new_output(Path(sys.argv[1]), False, bool) as directory:
    (directory / "data-0").write_text("half")
    hold()
"""
HOLD_FILE = """
from lvbert_tf.io.whole import new_text_file
with new_text_file(sys.argv[1]) as file:
    file.write("half")
    file.flush()
    hold()
"""


@contextlib.contextmanager
def killed_at_the_end(program, path):
    """A process that is writing `path` during the block."""
    hold = "import sys, time\ndef hold():\n    print('ready', flush=True)\n    time.sleep(60)\n"
    command = [sys.executable, "-c", hold + program, str(path)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "ready\n"
        yield
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()


def test_a_second_run_is_refused_and_a_killed_one_cleaned_up(tmp_path):
    path = tmp_path / "set"
    with killed_at_the_end(HOLD_DIRECTORY, path):
        with pytest.raises(InputError, match="is being written by another process"):
            make(path)
        assert [name.startswith(".tmp-set-") for name in names(tmp_path)] == [True]
    make(path)
    assert names(tmp_path) == ["set"]


def test_what_a_killed_writer_left_of_a_file_is_gone_after_the_next_write(tmp_path):
    path = tmp_path / "file"
    with (
        killed_at_the_end(HOLD_FILE, path),
        pytest.raises(InputError, match="file is being written by another process"),
        new_text_file(path),
    ):
        pytest.fail("there was another writer")
    assert names(tmp_path) == [".file.writing"]
    replace_file(path, "new")
    assert path.read_text() == "new" and names(tmp_path) == ["file"]


def test_what_another_user_left_of_a_file_is_replaced(tmp_path, monkeypatch):
    left = tmp_path / ".file.writing"
    left.write_text("half")
    theirs, open_file = left.stat().st_ino, os.open

    def refused_if_theirs(path, *arguments, **options):
        if os.path.exists(path) and os.stat(path).st_ino == theirs:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refused_if_theirs)
    replace_file(tmp_path / "file", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_place_of_the_temporary_file_is_not_followed(tmp_path, there):
    elsewhere, path = tmp_path / "elsewhere", tmp_path / "folder" / "file"
    path.parent.mkdir()
    if there:
        elsewhere.write_text("work")
    (path.parent / ".file.writing").symlink_to(elsewhere)
    replace_file(path, "new")
    assert path.read_text() == "new" and not path.is_symlink() and names(path.parent) == ["file"]
    assert elsewhere.exists() == there and (not there or elsewhere.read_text() == "work")


def test_of_many_writers_one_comes_last(tmp_path):
    path, contents = tmp_path / "file", [str(digit) * 10_000 for digit in range(10)]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda content: [replace_file(path, content) for _ in range(20)], contents))
    assert path.read_text() in contents and names(tmp_path) == ["file"]


def test_two_drafts_of_one_path_need_not_be_alone(tmp_path):
    with draft(tmp_path / "set", alone=False) as one, draft(tmp_path / "set", alone=False) as other:
        (one / "data-0").write_text("one")
        publish(one, tmp_path / "1")
        with pytest.raises(OSError, match="not empty"):
            publish(other, tmp_path / "1")
        publish(other, tmp_path / "2")
    assert names(tmp_path) == ["1", "2"] and names(tmp_path / "1") == ["data-0"]


def test_a_kill_before_the_lock_file_was_removed_does_not_matter(tmp_path):
    path = tmp_path / "set"
    make(path, "old")
    (path / ".lock").touch()
    make(path, "new", overwrite=True)
    assert names(path) == ["data-0"]


def test_drafts_of_a_longer_name_are_left_alone(tmp_path):
    retired = [tmp_path / f".tmp-{name}-retired" for name in ("cola-large", "cola-")]
    for directory in retired:
        directory.mkdir()
    with draft(tmp_path / "cola-large-uncased"), draft(tmp_path / "cola"):
        assert all(directory.exists() for directory in retired)


def test_a_file_system_that_cannot_flush_directories_is_one_warning(tmp_path, monkeypatch, capfd):
    flush = os.fsync

    def refuse_directories(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_directories)
    monkeypatch.setattr(notices, "_given", set())
    make(tmp_path / "a" / "set")
    make(tmp_path / "b" / "set")
    assert (tmp_path / "a" / "set" / "data-0").exists()
    (told,) = capfd.readouterr().err.splitlines()
    assert "cannot flush directories (Invalid argument)" in told


def test_a_file_that_cannot_be_flushed_is_not_there(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Invalid argument"):
        make(tmp_path / "set")
    assert names(tmp_path) == []
