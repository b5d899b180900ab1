import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.pretraining.data import open_held_out
from lvbert_tf.records.input_pipeline import training_dataset
from lvbert_tf.records.record_set import RecordSet, explain_data_error
from lvbert_tf.settings.parts import RecordSettings
from lvbert_tf.text.vocabulary import Vocabulary

LENGTH = 24
SETTINGS = RecordSettings(LENGTH)
ANY = RecordSettings(LENGTH, allow_missing_manifest=True)


def pattern(directory) -> str:
    return f"{directory}/pretrain_data.tfrecord*"


def damage(path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_a_complete_set(built, vocabulary_file):
    records = RecordSet.open(
        pattern(built), RecordSettings(LENGTH, True), Vocabulary.load(vocabulary_file)
    )
    assert len(records.files) == 4
    assert records.num_examples == records.manifest.training.counts.examples
    held_out = RecordSet.open(f"{built}/held_out.tfrecord*", SETTINGS)
    assert held_out.num_examples == held_out.manifest.held_out.counts.examples
    assert not records.corrupt_records


def test_files_without_manifest_are_counted(copied):
    listed = RecordSet.open(pattern(copied), SETTINGS)
    (copied / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"no manifest\.json in .*set; .*allow_missing_manifest"):
        RecordSet.open(pattern(copied), SETTINGS)
    counted = RecordSet.open(pattern(copied), ANY)
    assert counted.manifest is None
    assert np.array_equal(counted.block_examples, listed.block_examples)
    assert np.array_equal(counted.block_offsets, listed.block_offsets)
    with pytest.raises(InputError, match="input_ids has length 24, max_seq_length is 32"):
        RecordSet.open(pattern(copied), RecordSettings(32, allow_missing_manifest=True))
    small = Vocabulary(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))
    with pytest.raises(InputError, match="is outside the vocabulary of 5"):
        RecordSet.open(pattern(copied), ANY, small)


def test_several_patterns_and_numeric_order(built, tmp_path):
    for number in (10, 2, 1):
        (tmp_path / f"a-{number}").write_bytes((built / "held_out.tfrecord-0-of-1").read_bytes())
    records = RecordSet.open(f"{tmp_path}/a-*,{pattern(built)}", ANY)
    own = [file.rsplit("-")[-1] for file in records.files if file.startswith(f"{tmp_path}/a-")]
    assert own == ["1", "2", "10"] and len(records.files) == 7


def test_other_length_vocabulary_or_casing_is_refused(built, vocabulary_file):
    tokens = Vocabulary.load(vocabulary_file).tokens
    cases = [
        (dict(settings=RecordSettings(128)), "have length 24, max_seq_length is 128"),
        (dict(vocabulary=Vocabulary((*tokens, "x"))), f"has {len(tokens)} tokens, the model's"),
        (dict(vocabulary=Vocabulary((*tokens[:-1], "x"))), "built with another vocabulary"),
        (
            dict(settings=RecordSettings(LENGTH, do_lower_case=False)),
            "records are lower-cased, the model reads cased text",
        ),
    ]
    for change, message in cases:
        with pytest.raises(InputError, match=message):
            RecordSet.open(pattern(built), **{"settings": SETTINGS, **change})


def test_incomplete_sets_are_refused(copied):
    with pytest.raises(InputError, match=r"no record files match .*nothing"):
        RecordSet.open(f"{copied}/nothing*", SETTINGS)
    shard = copied / "pretrain_data.tfrecord-2-of-4"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-30])
    with pytest.raises(InputError, match=r"-2-of-4 has \d+ bytes, the manifest says \d+"):
        RecordSet.open(pattern(copied), SETTINGS)
    shard.unlink()
    with pytest.raises(InputError, match="-2-of-4 is missing; the manifest lists 4 such files"):
        RecordSet.open(pattern(copied), SETTINGS)


def test_each_file_is_asked_for_once(built, monkeypatch):
    """Each question waits for an answer where the files are across a network."""
    asked, stat = [], Path.stat
    monkeypatch.setattr(Path, "stat", lambda path: (asked.append(str(path)), stat(path))[1])
    records = RecordSet.open(f"{built}/pretrain_data*-0-of-4", SETTINGS)
    shards = [shard.name for shard in records.manifest.training.shards]
    assert asked.count(f"{built}/pretrain_data*-0-of-4") <= 2  # it could be a name as well
    asked = [path for path in asked if not path.endswith(("manifest.json", "*-0-of-4"))]
    assert sorted(asked) == sorted(f"{built}/{name}" for name in shards)


def test_a_truncated_file_without_manifest_is_refused(copied):
    (copied / "manifest.json").unlink()
    shard = copied / "pretrain_data.tfrecord-1-of-4"
    # Within a length, where TensorFlow itself sees a regular end.
    shard.write_bytes(shard.read_bytes() + b"\0" * 7)
    with pytest.raises(InputError, match=r"-1-of-4: record \d+ \(at byte \d+\) is corrupt or cut"):
        RecordSet.open(pattern(copied), ANY)


def read_all(records: RecordSet) -> None:
    dataset = training_dataset(records, 8, seed=0)
    for _ in dataset.take(records.num_examples // 8 + 2):
        pass


def start_of(path, index: int) -> int:
    lengths = [len(r.numpy()) + 16 for r in tf.data.TFRecordDataset(str(path)).take(index)]
    return sum(lengths)


@pytest.mark.parametrize("place", [15, 3], ids=["data", "length"])
def test_a_corrupt_record_is_named_when_it_is_read(copied, place):
    shard = copied / "pretrain_data.tfrecord-3-of-4"
    start = start_of(shard, 6)
    damage(shard, start + place)
    records = RecordSet.open(pattern(copied), SETTINGS)
    with pytest.raises(tf.errors.OpError) as caught:
        read_all(records)
    error = explain_data_error(caught.value, records)
    assert isinstance(error, InputError)
    assert f"{shard}: record 6 (at byte {start}) is corrupt" in str(error)


def test_a_file_cut_short_while_training_is_named(copied):
    records = RecordSet.open(pattern(copied), SETTINGS)
    shard = copied / "pretrain_data.tfrecord-0-of-4"
    shard.write_bytes(shard.read_bytes()[: start_of(shard, 5)])
    error = explain_data_error(tf.errors.InvalidArgumentError(None, None, "x"), records)
    assert f"{shard} has become shorter" in str(error)
    shard.unlink()
    error = explain_data_error(tf.errors.NotFoundError(None, None, "x"), records)
    assert f"{shard} has disappeared" in str(error)


def test_skipping_leaves_out_exactly_the_corrupt_records(copied):
    sound = RecordSet.open(pattern(copied), SETTINGS).num_examples
    data, length, cut = (copied / f"pretrain_data.tfrecord-{n}-of-4" for n in range(3))
    damage(data, start_of(data, 4) + 14)
    damage(data, start_of(data, 2) + 14)
    counts = {
        shard["name"]: shard["examples"]
        for shard in json.loads((copied / "manifest.json").read_text())["training"]["shards"]
    }
    damage(length, start_of(length, 3) + 2)
    cut.write_bytes(cut.read_bytes()[: start_of(cut, 7)])
    records = RecordSet.open(pattern(copied), RecordSettings(LENGTH, skip_corrupt_records=True))
    lost = {str(data): 2, str(length): counts[length.name] - 3, str(cut): counts[cut.name] - 7}
    assert records.corrupt_records == lost
    assert records.num_examples == sound - sum(lost.values())
    read_all(records)


def test_a_path_with_commas_is_one_path(built, tmp_path):
    """A data directory may be called so, and no user gives its records' pattern himself."""
    directory = tmp_path / "a, b" / "records,"
    shutil.copytree(built, directory)
    assert RecordSet.open(pattern(directory), SETTINGS).files == tuple(
        str(directory / name) for name in sorted(p.name for p in built.glob("pretrain_data*"))
    )
    assert open_held_out(f"{directory}/held_out.tfrecord*", SETTINGS, None, pytest.fail)
    both = f"{pattern(built)}, {built}/held_out.tfrecord*"
    assert len(RecordSet.open(both, SETTINGS).files) > len(list(built.glob("pretrain_data*")))
