import threading
import time

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io.locks import changing, training_in
from lvbert_tf.io.whole import replace_file


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
