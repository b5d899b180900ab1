"""The manifest of records."""

import json

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.records.manifest import Counts, Manifest, Split


@pytest.mark.parametrize("unknown", [None, 0, 3])
def test_a_count_that_is_not_there_is_not_written(unknown):
    """Searches know their records by the text, also those of releases that counted no [UNK]."""
    split = Split(Counts(2, 30, 8, 1, unknown), ())
    fields = dict.fromkeys(Manifest.__dataclass_fields__)
    text = Manifest(**{**fields, "training": split, "held_out": split}).to_json()
    assert ("unknown_tokens" in text) == (unknown is not None)


def content(**shard) -> dict:
    """A manifest of one shard of 9,000 examples in each split."""
    usual = {
        "name": "a",
        "examples": 9000,
        "bytes": 90_000,
        "sha256": "",
        "block_offsets": [0, 81_920],
    }
    counts = {"documents": 1, "text_bytes": 1, "tokens": 1, "examples": 9000}
    splits = {
        split: {"counts": counts, "shards": [{**usual, **shard}]}
        for split in ("training", "held_out")
    }
    fields = dict.fromkeys(Manifest.__dataclass_fields__)
    return {**fields, **splits, "format": 1}


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        Manifest.from_json(text, "manifest.json")
    assert "\n" not in str(caught.value) and "build the records again" in str(caught.value)
    return str(caught.value)


def test_a_manifest_comes_back():
    manifest = Manifest.from_json(json.dumps(content()), "manifest.json")
    assert manifest.training.shards[0].block_offsets == (0, 81_920)
    assert Manifest.from_json(manifest.to_json(), "manifest.json") == manifest


@pytest.mark.parametrize(
    "shard",
    [
        {"name": 7},
        {"name": "../../etc/passwd"},
        {"examples": 9001},
        {"examples": -1},
        {"examples": "9000"},
        {"examples": True},
        {"examples": 10**12},
        {"bytes": 80_000},
        {"bytes": None},
        {"block_offsets": []},
        {"block_offsets": [3, 81_920]},
        {"block_offsets": [0, -1]},
        {"block_offsets": [0, 10**15]},
        {"block_offsets": [0, 81_920, 82_000]},
        {"block_offsets": 7},
    ],
)
def test_a_shard_that_cannot_be_is_damage(shard):
    refused(json.dumps(content(**shard)))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "{}", "[" * 100_000, b"\xff".decode("latin-1")]
)
def test_what_is_no_manifest(text):
    refused(text)
