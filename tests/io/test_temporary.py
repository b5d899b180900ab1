"""Directories that are gone after a kill, and that no other process takes while they are in use."""

import fcntl
import os

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io import locks
from lvbert_tf.io.whole import draft


@pytest.mark.parametrize(("module", "name"), [(os, "open"), (fcntl, "flock")])
def test_a_draft_that_another_process_cleared_up_before_it_was_locked_is_made_again(
    tmp_path, monkeypatch, module, name
):
    original, times = getattr(module, name), [1, 2, 3]

    def after_another(*arguments, **options):
        if times:
            times.pop()
            for directory in tmp_path.glob(".tmp-*"):
                (directory / ".lock").unlink(missing_ok=True)
                directory.rmdir()
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, after_another)
    with draft(tmp_path / "version", alone=False) as directory:
        (directory / "data").write_text("x")
    assert not times and [*tmp_path.iterdir()] == []


def test_a_draft_that_another_process_is_clearing_up_is_made_again(tmp_path, monkeypatch):
    take, held = locks.take, [True]

    def take_after_another(descriptor, seconds=0.0):
        if held:
            held.pop()
            raise locks.Held
        take(descriptor, seconds)

    monkeypatch.setattr(locks, "take", take_after_another)
    with draft(tmp_path / "version", alone=False) as directory:
        (directory / "data").write_text("x")


def test_a_draft_of_another_user_stays(tmp_path, monkeypatch):
    theirs = tmp_path / ".tmp-set-abcdefgh"
    theirs.mkdir()
    open_file = os.open

    def refuse(path, *arguments, **options):
        if str(path).startswith(str(theirs)):
            raise PermissionError(13, "Permission denied", str(path))
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    with draft(tmp_path / "set"):
        pass
    assert theirs.is_dir()


def test_a_file_with_the_name_of_a_draft_stays(tmp_path):
    (tmp_path / ".tmp-set-abcdefgh").write_text("x")
    with draft(tmp_path / "set"):
        pass
    assert (tmp_path / ".tmp-set-abcdefgh").read_text() == "x"


def test_a_draft_in_use_stays_and_others_go(tmp_path):
    (tmp_path / ".tmp-set-abcdefgh").mkdir()
    with draft(tmp_path / "set") as ours:
        (tmp_path / ".tmp-set-hgfedcba").mkdir()
        with pytest.raises(InputError, match="is being written"), draft(tmp_path / "set"):
            pass
        with draft(tmp_path / "set", alone=False) as other:
            assert sorted(tmp_path.iterdir()) == sorted([ours, other])
