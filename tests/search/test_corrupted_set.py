"""The file of the corrupted held-out set."""

import dataclasses
import json

import numpy as np
import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.pretraining.objective import PretrainingObjective
from lvbert_tf.records.manifest import Counts, Manifest, Shard, Split
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.search.corrupted_set import CorruptedSet, Provenance, open_corrupted_set

PROVENANCE = Provenance(7, "w", "r", 3, 4, {"masking": {"special_ids": [1, 2]}}, True, "float32")
SHAPE = (2, 4, 12)


def features():
    flags = np.ones(SHAPE, np.int32)
    return {
        "token_ids": np.arange(flags.size, dtype=np.int32).reshape(SHAPE),
        "segment_ids": flags * 0,
        "padding_mask": flags,
        "is_fake": flags,
    }


def test_round_trip(tmp_path):
    path = tmp_path / "new" / "held_out.npz"
    CorruptedSet(PROVENANCE, features()).save(path)
    again = CorruptedSet.load(path)
    assert again.provenance == PROVENANCE
    assert again.features.keys() == features().keys()
    for name, values in features().items():
        np.testing.assert_array_equal(again.features[name], values)
    assert [file.name for file in path.parent.iterdir()] == ["held_out.npz"]


def test_made_once(tmp_path):
    calls = []

    def make():
        calls.append(1)
        return features()

    path = tmp_path / "held_out.npz"
    for _ in range(3):
        opened = open_corrupted_set(path, PROVENANCE, make)
        np.testing.assert_array_equal(opened.features["token_ids"], features()["token_ids"])
    assert len(calls) == 1


def test_of_two_that_make_it_at_the_same_time_the_first_one_counts_for_both(tmp_path):
    path = tmp_path / "held_out.npz"
    mine = features()

    def make():
        CorruptedSet(PROVENANCE, mine).save(path)  # another machine was faster
        return {**mine, "is_fake": 1 - mine["is_fake"]}

    for _ in range(2):
        opened = open_corrupted_set(path, PROVENANCE, make)
        np.testing.assert_array_equal(opened.features["is_fake"], mine["is_fake"])


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Provenance)])
def test_of_another_provenance(tmp_path, field):
    path = tmp_path / "held_out.npz"
    CorruptedSet(PROVENANCE, features()).save(path)
    other = dataclasses.replace(
        PROVENANCE, **{field: False if field.startswith("detects") else "x"}
    )
    with pytest.raises(InputError, match=f"made from another {field};") as caught:
        open_corrupted_set(path, other, features)
    assert "\n" not in str(caught.value)


def damaged(change):
    values = features()
    change(values)
    return values


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("is_fake"),
        lambda values: values.update(extra=values["is_fake"]),
        lambda values: values.update(is_fake=values["is_fake"] + 1),
        lambda values: values.update(token_ids=-values["token_ids"]),
        lambda values: values.update(is_fake=values["is_fake"].astype(np.int64)),
        lambda values: values.update({name: array[:, :3] for name, array in values.items()}),
        lambda values: values.update({name: np.tile(a, (2, 1, 1)) for name, a in values.items()}),
    ],
)
def test_illegal_content_is_refused(tmp_path, change):
    path = tmp_path / "held_out.npz"
    with path.open("wb") as file:
        np.savez(
            file, origin=np.array(json.dumps(dataclasses.asdict(PROVENANCE))), **damaged(change)
        )
    with pytest.raises(InputError, match=r"no corrupted held-out set \(.*move it away"):
        CorruptedSet.load(path)


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_is_unpickled(tmp_path):
    path, touched = tmp_path / "held_out.npz", tmp_path / "touched"
    trap = np.empty(SHAPE, object)
    trap[0, 0, 0] = Trap(touched)
    with path.open("wb") as file:
        np.savez(
            file,
            origin=np.array(json.dumps(dataclasses.asdict(PROVENANCE))),
            **{**features(), "is_fake": trap},
        )
    with pytest.raises(InputError, match="no corrupted held-out set"):
        CorruptedSet.load(path)
    assert not touched.exists()


@pytest.mark.parametrize("size", [0, 100, -1])
def test_a_truncated_file_is_refused(tmp_path, size):
    path = tmp_path / "held_out.npz"
    CorruptedSet(PROVENANCE, features()).save(path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match="no corrupted held-out set"):
        CorruptedSet.load(path)


def test_a_file_without_provenance_is_refused(tmp_path):
    path = tmp_path / "held_out.npz"
    np.savez(path, **features())
    with pytest.raises(InputError, match="no corrupted held-out set"):
        CorruptedSet.load(path)


def test_the_provenance_depends_on_weights_and_records(tiny_config, masking_spec):
    config = tiny_config(layer_types="AF", custom_layer_list="AF")
    pretrainer = ElectraPretrainer.from_networks(config.networks)
    objective = PretrainingObjective.from_settings(config.objective, masking_spec)

    def provenance(examples=5):
        blocks = np.array([0]), np.array([0]), np.array([examples])
        records = RecordSet(("a/held_out",), *blocks, 12, None, {})
        return Provenance.of(pretrainer, 7, objective, records, 3, 4)

    def of_parts(examples):
        """Of records in two directories, of which the second has so many examples."""
        counts = Counts(5, 1, 1, 0, 1)
        split = Split(counts, (Shard("held_out", 5, 9, "", (0,)),))
        described = Manifest("", 9, 12, True, True, split, split, {})
        blocks = np.array([0, 1]), np.array([0, 0]), np.array([5, examples])
        records = RecordSet(("a/held_out", "b/held_out"), *blocks, 12, described, {})
        return Provenance.of(pretrainer, 7, objective, records, 3, 4)

    assert of_parts(5) == of_parts(5) and of_parts(5) != of_parts(6)
    first = provenance()
    assert provenance() == first
    assert Provenance(**json.loads(json.dumps(dataclasses.asdict(first)))) == first
    assert provenance(examples=6).records_sha256 != first.records_sha256
    gamma = pretrainer.discriminator.blocks[1][0].layer_norm.gamma
    gamma.assign(gamma.numpy() * 1.5)
    assert provenance().weights_sha256 != first.weights_sha256


def test_a_changed_bit_is_refused_or_changes_nothing(tmp_path):
    path = tmp_path / "held_out.npz"
    CorruptedSet(PROVENANCE, features()).save(path)
    content, refused = path.read_bytes(), 0
    for bit in range(0, 8 * len(content), 5):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            again = CorruptedSet.load(path)
        except InputError as error:
            assert "\n" not in str(error)
            refused += 1
            continue
        assert again.provenance == PROVENANCE
        for name, values in features().items():
            np.testing.assert_array_equal(again.features[name], values)
    assert refused > len(content)
