import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.io.bucket_directories import MARKER
from lvbert_tf.pretraining.data import explained_errors
from lvbert_tf.records import input_pipeline
from lvbert_tf.records.build_dataset import BuildSettings, build_dataset, check_output
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.input_pipeline import evaluation_dataset, training_dataset
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.settings.parts import RecordSettings

SETTINGS = RecordSettings(24)


@pytest.fixture
def stored(bucket, built):
    """The records of `built`, copied into a bucket as another tool would."""
    directory = bucket / "set"
    directory.upload({file: file.name for file in built.iterdir()})
    return directory


def batches(records, dataset):
    return [
        {name: values.tobytes() for name, values in batch.items()}
        for batch in itertools.islice(dataset, 2 * records.num_examples // 8)
    ]


def test_records_in_a_bucket_are_those_on_the_disk_in_the_same_order(stored, built, monkeypatch):
    monkeypatch.setattr(input_pipeline, "WINDOW_EXAMPLES", 64)
    there = RecordSet.open(f"{stored}/pretrain_data.tfrecord*", SETTINGS)
    here = RecordSet.open(f"{built}/pretrain_data.tfrecord*", SETTINGS)
    both = RecordSet.open(
        f"{stored}/pretrain_data.tfrecord-[01]*,{built}/pretrain_data.tfrecord-[23]*", SETTINGS
    )
    assert there.manifest == here.manifest and there.num_examples == both.num_examples
    for make in (
        lambda records: training_dataset(records, 8, 1, 3),
        lambda r: evaluation_dataset(r, 8),
    ):
        found = [batches(each, make(each).as_numpy_iterator()) for each in (there, here, both)]
        assert found[0] == found[1] and len(found[0]) > 5
        assert sorted(map(str, found[2])) != [] and len(found[2]) == len(found[1])


@pytest.fixture
def requests(monkeypatch):
    """The numbers of bytes of all ranges that are read from the bucket."""
    from object_store.directory_store import DirectoryStore

    cat, asked = DirectoryStore.cat_file, []

    def counted(self, path, start=None, end=None, **more):
        content = cat(self, path, start=start, end=end, **more)
        asked.append(len(content))
        return content

    monkeypatch.setattr(DirectoryStore, "cat_file", counted)
    return asked


@pytest.fixture
def blocks_of_20(stored, built):
    """The same records in the bucket and on the disk, in blocks of 20, of which a file has several."""
    from test_input_pipeline import with_blocks

    here = with_blocks(RecordSet.open(f"{built}/pretrain_data.tfrecord*", SETTINGS), 20)
    files = tuple(f"{stored}/{file.rpartition('/')[2]}" for file in here.files)
    return dataclasses.replace(here, files=files), here


def test_a_block_is_one_request_of_its_own_bytes(blocks_of_20, requests):
    _there, here = blocks_of_20
    rows = [list(evaluation_dataset(each, 8).as_numpy_iterator()) for each in blocks_of_20]
    for ours, theirs in zip(*rows, strict=True):
        np.testing.assert_equal(ours, theirs)
    assert len(requests) == len(here.block_examples)
    assert sum(requests) == sum(shard.bytes for shard in here.manifest.training.shards)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_what_workers_read_of_an_epoch(blocks_of_20, requests, monkeypatch, workers):
    """Each reads every block once, and what is read ahead; together they have all rows."""
    monkeypatch.setattr(input_pipeline, "WINDOW_EXAMPLES", 40)
    there, here = blocks_of_20
    steps = here.num_examples // 8
    alone = list(itertools.islice(training_dataset(here, 8, 1).as_numpy_iterator(), steps))
    parts, blocks = [], len(here.block_examples)
    for index in range(workers):
        requests.clear()
        dataset = training_dataset(there, 8, 1, worker=(index, workers))
        parts.append(list(itertools.islice(dataset.as_numpy_iterator(), steps)))
        assert blocks - 2 <= len(requests) <= blocks + 2 * 10  # windows of two blocks, some ahead
    for whole, *shares in zip(alone, *parts, strict=True):
        for name, rows in whole.items():
            np.testing.assert_array_equal(rows, np.concatenate([part[name] for part in shares]))


def test_damage_that_appears_later_is_one_line(stored):
    records = RecordSet.open(f"{stored}/pretrain_data.tfrecord*", SETTINGS)
    file = stored / "pretrain_data.tfrecord-1-of-4"
    sound = file.read_bytes()
    for damaged, message in (
        (
            sound[:40] + bytes([sound[40] ^ 1]) + sound[41:],
            r"-1-of-4: record 0 \(at byte 0\) is corrupt",
        ),
        (sound[:-5], r"-1-of-4: record \d+ \(at byte \d+\) is corrupt or cut short"),
        (None, r"gs://bucket/set/pretrain_data.tfrecord-1-of-4 has disappeared"),
    ):
        file.write_bytes(damaged) if damaged else file.unlink()
        with pytest.raises(InputError, match=message), explained_errors(records):
            list(evaluation_dataset(records, 8))


def test_what_is_wrong_at_the_start_is_found_there(stored):
    pattern = f"{stored}/pretrain_data.tfrecord*"
    with pytest.raises(InputError, match="no record files match gs://bucket/none"):
        RecordSet.open("gs://bucket/none/x*", SETTINGS)
    shard = stored / "pretrain_data.tfrecord-2-of-4"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"-2-of-4 has \d+ bytes, the manifest says \d+"):
        RecordSet.open(pattern, SETTINGS)
    (stored / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"no manifest.json in gs://bucket/set; build"):
        RecordSet.open(pattern, SETTINGS)
    with pytest.raises(InputError, match=r"-2-of-4: record \d+ \(at byte \d+\) is corrupt or cut"):
        RecordSet.open(pattern, RecordSettings(24, allow_missing_manifest=True))


def test_records_that_no_manifest_lists_are_checked_there(stored, vocabulary_file):
    (stored / "manifest.json").unlink()
    (stored / ".lease").write_text("no record")
    records = RecordSet.open(f"{stored}/*", RecordSettings(24, allow_missing_manifest=True))
    assert records.num_examples > 0
    with pytest.raises(InputError, match="has length 24, max_seq_length is 32"):
        RecordSet.open(f"{stored}/*", RecordSettings(32, allow_missing_manifest=True))


def test_an_empty_object_of_a_corpus_has_no_documents(bucket):
    (bucket / "corpus" / "_SUCCESS").write_bytes(b"")
    (bucket / "corpus" / "a.txt").write_text("a text")
    texts = [text.strip() for _, text in Corpus(f"{bucket}/corpus").read()]
    assert list(filter(None, texts)) == ["a text"]


def test_records_are_built_from_a_bucket_into_it(bucket, built, corpus_file, vocabulary_file):
    (bucket / "corpus" / "a.txt").write_bytes(corpus_file.read_bytes())
    (bucket / "corpus" / ".hidden").write_bytes(b"\xff")
    (bucket / "vocab.txt").write_bytes(vocabulary_file.read_bytes())
    settings = BuildSettings(
        str(bucket / "vocab.txt"), str(bucket / "set"), 24, held_out_fraction=0.1, seed=3
    )
    build_dataset(Corpus(str(bucket / "corpus")), settings)
    for file in built.iterdir():
        if file.name != "manifest.json":  # which names the corpus
            assert (bucket / "set" / file.name).read_bytes() == file.read_bytes()
    assert (bucket / "set" / MARKER).exists()
    with pytest.raises(InputError, match=r"gs://bucket/set is not empty"):
        check_output(settings)


def test_tensorflow_still_reads_what_is_on_the_disk(built, monkeypatch):
    monkeypatch.setattr(tf, "numpy_function", None)
    records = RecordSet.open(f"{built}/pretrain_data.tfrecord*", SETTINGS)
    assert list(evaluation_dataset(records, 8))
