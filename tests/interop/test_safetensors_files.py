"""Shards and half precision are read as one file of float32, and nothing outside the directory is."""

import json
import shutil

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from lvbert_tf.errors import InputError
from lvbert_tf.interop.safetensors_files import read_tensors

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"
TENSORS = {
    "a": np.array([[1.0, -2.5], [3.0, 0.15625]], np.float32),
    "b": np.array([7.0], np.float32),
    "c": np.array([0.5, -0.0, 2.0**-20], np.float32),
}
PLACES = {"a": FIRST, "b": FIRST, "c": SECOND}


def write(directory, places=PLACES, tensors=TENSORS, **index):
    for shard in set(PLACES.values()):
        part = {name: tensor for name, tensor in tensors.items() if PLACES[name] == shard}
        safetensors.numpy.save_file(part, directory / shard, metadata={"format": "pt"})
    content = {"metadata": {"total_size": 32}, "weight_map": places, **index}
    (directory / INDEX).write_text(json.dumps(content))


def refusal(directory):
    with pytest.raises(InputError) as caught:
        read_tensors(directory)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("sharded", [False, True], ids=["one_file", "shards"])
def test_the_same_values_whatever_the_form(tmp_path, dtype, sharded):
    halved = {name: tensor.astype(dtype) for name, tensor in TENSORS.items()}
    if sharded:
        write(tmp_path, tensors=halved)
    else:
        safetensors.numpy.save_file(halved, tmp_path / "model.safetensors")
    found = read_tensors(tmp_path)
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():  # all of them are exact in eight bits of mantissa
        assert found[name].dtype == np.float32
        assert found[name].tobytes() == tensor.tobytes(), name


def test_a_single_file_is_preferred_as_in_transformers(tmp_path):
    write(tmp_path)
    safetensors.numpy.save_file({"d": TENSORS["b"]}, tmp_path / "model.safetensors")
    assert read_tensors(tmp_path).keys() == {"d"}


def test_links_beside_the_index_are_followed(tmp_path):
    """As in a cache of the hub, whose files are links to where all versions are kept."""
    snapshot, kept = tmp_path / "snapshot", tmp_path / "blobs"
    for directory in (snapshot, kept):
        directory.mkdir()
    write(kept)
    for name in (FIRST, SECOND, INDEX):
        (snapshot / name).symlink_to(kept / name)
    assert read_tensors(snapshot).keys() == TENSORS.keys()


@pytest.mark.parametrize(
    "place",
    [
        "../elsewhere.safetensors",
        "/etc/passwd",
        "..",
        "",
        "sub/x.safetensors",
        "..\\x",
        None,
        3,
        [],
    ],
)
def test_an_index_leads_nowhere_else(tmp_path, place):
    directory = tmp_path / "model"
    directory.mkdir()
    safetensors.numpy.save_file({"c": TENSORS["c"]}, tmp_path / "elsewhere.safetensors")
    write(directory, {**PLACES, "c": place})
    assert f"names {place!r}; a shard is a .safetensors file beside it" in refusal(directory)


@pytest.mark.parametrize("weight_map", [None, [], {}, "a"])
def test_an_index_without_a_map_is_refused(tmp_path, weight_map):
    write(tmp_path, weight_map=weight_map)
    assert "weight_map does not say" in refusal(tmp_path)


def test_contradictions_of_index_and_shards_are_refused(tmp_path):
    write(tmp_path, {**PLACES, "d": SECOND})
    assert f"says that d is in {SECOND}, which does not have it" in refusal(tmp_path)
    write(tmp_path, {**PLACES, "a": SECOND})
    assert f"{FIRST} has a, which is in {SECOND} according to" in refusal(tmp_path)
    write(tmp_path, {name: PLACES[name] for name in "ac"})
    assert f"{FIRST} has b, which does not exist according to" in refusal(tmp_path)
    write(tmp_path)
    shutil.copy(tmp_path / FIRST, tmp_path / SECOND)  # two copies of a and b, and c is lost
    assert f"{SECOND} has a, which is in {FIRST}" in refusal(tmp_path)


def test_damaged_and_missing_shards_are_refused(tmp_path):
    write(tmp_path)
    content = (tmp_path / SECOND).read_bytes()
    (tmp_path / SECOND).write_bytes(content[:-1])
    assert f"{SECOND} cannot be read" in refusal(tmp_path)
    (tmp_path / SECOND).unlink()
    assert f"{SECOND} cannot be read" in refusal(tmp_path)
    (tmp_path / INDEX).write_text("[" * 100_000)
    assert f"{INDEX} is not JSON" in refusal(tmp_path)


def test_pickles_and_other_numbers_are_refused(tmp_path):
    (tmp_path / "pytorch_model-00001-of-00002.bin").write_bytes(b"")
    assert "convert it to model.safetensors" in refusal(tmp_path)
    tensors = {"a": np.arange(3), "x.embeddings.position_ids": np.arange(4)}
    safetensors.numpy.save_file(tensors, tmp_path / "model.safetensors")
    assert "a is I64; expected F32, F16 or BF16" in refusal(tmp_path)
