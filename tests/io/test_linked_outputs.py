"""An output whose name is a link: the link is replaced, and what it leads to is kept."""

import pytest

from lvbert_tf.io.whole import draft, move_away, new_directory, remove, restore_replaced


@pytest.fixture
def elsewhere(tmp_path):
    """A directory of another disk."""
    directory = tmp_path / "elsewhere"
    directory.mkdir()
    return directory


@pytest.fixture
def path(tmp_path, elsewhere):
    """A link to it, alone in its folder."""
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / "set"
    link.symlink_to("../elsewhere")
    return link


def make(path):
    with new_directory(path, replace=True) as directory:
        (directory / "data").write_text("new")


def test_a_link_is_replaced_as_often_as_one_likes(path, elsewhere):
    (elsewhere / "data").write_text("old")
    for _ in range(3):
        make(path)
        assert [child.name for child in path.parent.iterdir()] == ["set"]
        assert not path.is_symlink() and (path / "data").read_text() == "new"
    assert (elsewhere / "data").read_text() == "old"


@pytest.mark.parametrize("gone", [False, True])
def test_a_link_to_an_empty_directory_is_replaced_and_one_to_nothing_too(path, elsewhere, gone):
    if gone:
        elsewhere.rmdir()
    with new_directory(path) as directory:
        (directory / "data").write_text("new")
    assert (path / "data").read_text() == "new"
    assert [child.name for child in path.parent.iterdir()] == ["set"]


def test_a_link_to_files_is_not_replaced_unasked(path, elsewhere):
    (elsewhere / "data").write_text("old")
    with pytest.raises(OSError, match="Not a directory"), new_directory(path):
        pass
    assert path.is_symlink() and [child.name for child in path.parent.iterdir()] == ["set"]


@pytest.mark.parametrize("gone", [False, True])
def test_a_link_is_back_after_a_kill_between_the_renames(path, elsewhere, gone):
    if gone:
        elsewhere.rmdir()
    path.rename(path.with_name(".tmp-set-retired"))
    restore_replaced(path)
    assert path.is_symlink() and [child.name for child in path.parent.iterdir()] == ["set"]


@pytest.mark.parametrize("gone", [False, True])
def test_a_link_is_gone_after_a_kill_behind_the_renames(path, elsewhere, gone):
    (elsewhere / "data").write_text("old")
    if gone:
        (elsewhere / "data").rename(elsewhere.parent / "moved")
        elsewhere.rmdir()
    path.rename(path.with_name(".tmp-set-retired"))
    path.mkdir()
    with draft(path):
        pass
    assert [child.name for child in path.parent.iterdir()] == ["set"]
    assert gone or (elsewhere / "data").read_text() == "old"


def test_removing_a_link_keeps_what_it_leads_to(path, elsewhere):
    (elsewhere / "data").write_text("old")
    (aside := path.with_name("aside")).symlink_to("../elsewhere")
    move_away(path, aside)
    assert aside.is_symlink() and not path.exists()
    remove(aside)
    assert [*path.parent.iterdir()] == [] and (elsewhere / "data").read_text() == "old"
