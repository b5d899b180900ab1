"""Versions in a bucket, where nothing can be renamed, and in folders that TensorFlow cannot read."""

import threading

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io.bucket_directories import MARKER, begin_directory, is_whole
from lvbert_tf.serving import versions
from lvbert_tf.serving.versions import export


@pytest.fixture
def folder(bucket, monkeypatch):
    """Where versions of one small file are exported to."""
    monkeypatch.setattr(
        versions, "_write", lambda models, directory, *_: (directory / "model").write_text("new")
    )
    return bucket / "serving" / "films"


@pytest.fixture
def on_upload(monkeypatch):
    """Calls a function before a model is put into the store."""
    from object_store.directory_store import DirectoryStore

    put = DirectoryStore.put_object

    def call(function):
        def called(self, path, content, new):
            if path.endswith("/model"):
                function()
            put(self, path, content, new)

        monkeypatch.setattr(DirectoryStore, "put_object", called)

    return call


def names(folder):
    return [child.name for child in folder.iterdir()]


def test_an_upload_that_fails_is_one_line_and_leaves_nothing(folder, on_upload):
    assert export({}, folder, "MIT").name == "1"
    failures = [TimeoutError("no answer")]

    def fail_once():
        if failures:
            raise failures.pop()

    on_upload(fail_once)
    with pytest.raises(InputError, match=r"^cannot write gs://bucket/serving/films: no answer$"):
        export({}, folder, "MIT")
    assert names(folder) == ["1"]
    assert export({}, folder, "MIT").name == "2"


def test_no_saved_model_is_written_where_tensorflow_would_not_find_it(tmp_path, monkeypatch):
    monkeypatch.setattr(
        versions, "_write", lambda models, directory, *_: (directory / "model").write_text("new")
    )
    folder = tmp_path / "films[1]"
    with pytest.raises(InputError, match=r"films\[1\]: TensorFlow loads no SavedModel from a path"):
        export({"savedmodel": None}, folder, "MIT")
    assert not folder.exists()
    assert export({"onnx": None}, folder, "MIT").name == "1"


def test_what_a_killed_export_left_is_removed_by_the_next_one(folder):
    begin_directory(folder / "1", replace=False)
    (folder / "1" / "half").write_text("")
    assert export({}, folder, "MIT").name == "1"
    assert set((folder / "1").objects()) == {MARKER, "model"} and names(folder) == ["1"]


def test_two_exports_at_the_same_time_are_two_versions(folder, on_upload):
    uploading, other_begins = threading.Event(), threading.Event()

    def wait():
        uploading.set()
        assert other_begins.wait(60)

    on_upload(wait)
    one = threading.Thread(target=export, args=({}, folder, "MIT"))
    one.start()
    assert uploading.wait(60)
    other = threading.Thread(target=export, args=({}, folder, "MIT"))
    other.start()
    other.join(0.5)
    other_begins.set()
    one.join()
    other.join()
    assert names(folder) == ["1", "2"] and all(is_whole(folder / name) for name in "12")
