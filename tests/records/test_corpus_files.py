"""Finding the files of a corpus: all that cannot be read is named before anything is read."""

import contextlib
import os
import socket
import tempfile
from pathlib import Path

import pytest
from corpora import DOCUMENTS, TEXT, documents, make_zip

from lvbert_tf.errors import InputError
from lvbert_tf.records.corpus import Corpus


def test_directories_are_read_in_order_without_hidden_files(tmp_path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for name in ("z.txt", "b/y.txt", "b/c/x.txt", ".hidden", ".git/config"):
        (tmp_path / name).write_text(name)
    assert documents(tmp_path) == [["b/c/x.txt"], ["b/y.txt"], ["z.txt"]]


def test_locations_are_separated_by_commas(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    assert documents(f"{tmp_path}/b,{tmp_path}/a") == [["b"], ["a"]]


def test_missing_and_empty_locations(tmp_path):
    with pytest.raises(InputError, match=r"corpus not found: .*nowhere"):
        Corpus(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="has no files"):
        Corpus(str(tmp_path))
    with pytest.raises(InputError, match="no corpus given"):
        Corpus(" , ")


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda path: path.symlink_to("gone.txt"),
            r"corpus file .*/odd, a link to gone\.txt, cannot be read: No such file",
        ),
        (lambda path: path.symlink_to("odd"), r"/odd, a link to odd, cannot be read: Too many"),
        (lambda path: path.symlink_to("/dev/zero"), r"corpus file .*/odd is a device"),
        (os.mkfifo, r"corpus file .*/odd is a pipe, which can be read only once; write it to"),
        (make_socket, r"corpus file .*/odd is a socket"),
        (make_zip, r"corpus file .*/odd is a zip archive, which cannot be read; unpack it"),
    ],
    ids=["dangling", "itself", "device", "pipe", "socket", "zip"],
)
def test_what_cannot_be_read_is_found_before_anything_is_read(tmp_path, monkeypatch, make, message):
    (tmp_path / "a.txt").write_text(TEXT)
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    make(Path("odd"))
    for location in (tmp_path, tmp_path / "odd"):
        with pytest.raises(InputError, match=message):
            Corpus(str(location))
    # Hidden files are none of the corpus's.
    Path("odd").rename(".odd")
    assert documents(tmp_path) == DOCUMENTS


@pytest.mark.parametrize("target", [".", ".."])
def test_a_link_to_a_directory_that_contains_it(tmp_path, target):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text(TEXT)
    (tmp_path / "deep" / "loop").symlink_to(target)
    with pytest.raises(InputError, match=r"deep/loop is a link to a directory that contains it"):
        Corpus(str(tmp_path))


def test_directories_that_contain_each_other_by_links(tmp_path):
    for name, other in ("ab", "ba"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "link").symlink_to(tmp_path / other)
    with pytest.raises(InputError, match=r"a/link/link is a link to a directory that contains it"):
        Corpus(str(tmp_path))


def test_links_to_other_files_and_directories_are_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.txt").write_text("one")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "b.txt").symlink_to("../elsewhere/a.txt")
    for name in ("first", "second"):
        (tmp_path / "corpus" / name).symlink_to("../elsewhere")
    assert documents(tmp_path / "corpus") == [["one"]] * 3


def test_a_pipe_of_a_shell_is_no_corpus():
    reading, writing = os.pipe()
    try:
        with pytest.raises(InputError, match=f"corpus file /dev/fd/{reading} is a pipe"):
            Corpus(f"/dev/fd/{reading}")
    finally:
        os.close(reading)
        os.close(writing)


@contextlib.contextmanager
def without_privileges():
    """Whoever runs the tests as root may read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("b.txt", r"corpus file .*/b\.txt cannot be read: Permission denied"),
        ("c", r"corpus directory .*/c cannot be read: Permission denied"),
    ],
)
def test_files_without_permission_are_found_before_anything_is_read(name, message):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        (folder / "a.txt").write_text(TEXT)
        (folder / "b.txt").write_text(TEXT)
        (folder / "c").mkdir()
        (folder / name).chmod(0)
        with without_privileges(), pytest.raises(InputError, match=message):
            Corpus(temporary)
        (folder / name).chmod(0o700)


def test_names_need_not_be_utf8(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.txt")).write_text("one")
    assert documents(tmp_path) == [["one"]]


def test_home_directories_after_an_equals_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "b").mkdir()
    for name in ("a.txt", "b/c.txt"):
        (tmp_path / name).write_text(name)
    assert documents("~/a.txt, ~/b") == [["a.txt"], ["b/c.txt"]]
    with pytest.raises(InputError, match=r"~nobody-here/a: ~nobody-here is no user's home"):
        Corpus("~nobody-here/a")
