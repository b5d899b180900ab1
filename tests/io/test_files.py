import json
import os
import threading
import time

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io.files import changing, read_json_object, replace_file, text_of, write_json


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


def test_a_byte_order_mark_is_no_text(tmp_path):
    """Windows programs write one at the beginning of a file."""
    assert text_of("é\ufeff".encode("utf-8-sig"), "f") == "é\ufeff"
    (tmp_path / "config.json").write_text('{"é": 1}', encoding="utf-8-sig")
    assert read_json_object(tmp_path / "config.json") == {"é": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "é".encode("utf-16"),
            "f is UTF-16 text, as some Windows programs write it; save it as UTF-8",
        ),
        (b"\xfe\xff\0a", "f is UTF-16 text"),
        (b"a\xe9b", "f is not UTF-8 text: bad byte at offset 1"),
    ],
)
def test_other_encodings_are_named(content, message):
    with pytest.raises(InputError, match=message):
        text_of(content, "f")
