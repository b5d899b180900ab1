"""The directory of a reference checkpoint, whose file `checkpoint` names the newest one."""

import shutil

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.interop.reference_checkpoint import count_token_embeddings, is_reference_checkpoint
from lvbert_tf.io.bucket_directories import begin_directory
from lvbert_tf.runs.open_model import ReferenceCheckpoint, open_model, recognise


@pytest.fixture
def read(bucket, monkeypatch):
    """The names of the objects that are read, in their order."""
    from object_store.directory_store import DirectoryStore

    names, open_object = [], DirectoryStore._open

    def recorded(self, path, mode="rb", **options):
        if mode == "rb":
            names.append(path.partition("bucket/")[2])
        return open_object(self, path, mode, **options)

    monkeypatch.setattr(DirectoryStore, "_open", recorded)
    return names


@pytest.fixture
def directory(tmp_path, fixtures):
    for file in (fixtures / "tiny").glob("model.ckpt.*"):
        shutil.copy(file, tmp_path / file.name.replace("ckpt", "ckpt-7"))
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')
    return tmp_path


def test_what_is_no_model_in_a_bucket_is_not_read(bucket, read):
    (bucket / "DATA" / "corpus" / "a.txt").write_text("gigabytes")
    (bucket / "DATA" / "vocab.txt").write_text("[PAD]")
    assert recognise(bucket / "DATA") is None
    assert not [name for name in read if name.endswith(".txt")]


def test_of_a_directory_in_a_bucket_only_the_newest_checkpoint_is_read(bucket, read, directory):
    files = [file for file in directory.iterdir() if file.is_file()]
    bucket.upload({file: f"m/{file.name}" for file in files})
    for name in ("model.ckpt-70.index", "model.ckpt-6.index", "events.out", "corpus/a.txt"):
        (bucket / "m" / name).write_text("")
    parts = {f"m/model.ckpt-7.{part}" for part in ("index", "data-00000-of-00001")}
    assert isinstance(open_model(bucket / "m", ReferenceCheckpoint), ReferenceCheckpoint)
    assert {name for name in read if "json" not in name} == {"m/checkpoint", *parts}
    read.clear()
    assert count_token_embeddings(f"{bucket}/m/model.ckpt-7") == 120
    assert set(read) == parts


def test_half_a_directory_in_a_bucket_is_refused(bucket):
    begin_directory(bucket / "m", replace=False)
    (bucket / "m" / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')
    with pytest.raises(InputError, match=r"gs://bucket/m is not whole: .* run that command again"):
        count_token_embeddings(f"{bucket}/m")


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff\xfe", b"damaged", b'model_checkpoint_path: ""'),
        *(b'model_checkpoint_path: "a\\000b"', b'model_checkpoint_path: "part"'),
        b'model_checkpoint_path: ".."',
    ],
)
def test_a_damaged_list_of_checkpoints_is_one_line(directory, content):
    (directory / "checkpoint").write_bytes(content)
    (directory / "part").mkdir()
    with pytest.raises(InputError, match=r"/checkpoint: damaged; .* give the prefix"):
        count_token_embeddings(str(directory))
    with pytest.raises(InputError, match=r"^no model at .*: expected a reference checkpoint"):
        open_model(directory, ReferenceCheckpoint)


def test_a_list_of_checkpoints_that_are_gone_is_one_line(directory):
    (directory / "model.ckpt-7.index").unlink()
    (directory / "model.ckpt-7.data-00000-of-00001").unlink()
    with pytest.raises(InputError, match=r"model\.ckpt-7: no such checkpoint"):
        count_token_embeddings(str(directory))
    (directory / "checkpoint").unlink()
    (directory / "checkpoint").mkdir()
    with pytest.raises(InputError, match=r"/checkpoint cannot be read: Is a directory"):
        count_token_embeddings(str(directory))


def test_a_name_may_have_what_tensorflow_takes_for_wildcards(directory):
    moved = shutil.copytree(directory, directory / "ckpt[1]")
    assert is_reference_checkpoint(str(moved))
    assert count_token_embeddings(str(moved)) == count_token_embeddings(str(directory))
