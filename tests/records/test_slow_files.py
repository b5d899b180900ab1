"""The slow file system of the benchmarks: whatever opens and reads records waits for it."""

import time

import pytest

from benchmarks.slow_files import slow_files
from lvbert_tf.records import input_pipeline
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.settings.parts import RecordSettings

LATENCY, STREAM_MB = 0.25, 0.001


@pytest.fixture
def waits(monkeypatch):
    """The seconds that were waited."""
    found = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def opened(directory):
    return RecordSet.open(f"{directory}/pretrain_data.tfrecord*", RecordSettings(24))


def test_opening_waits_for_the_directory_each_shard_and_the_manifest(built, waits):
    with slow_files(LATENCY, 0):
        records = opened(built)
    # Whether the pattern is a name is asked before, and the manifest is looked up and read.
    count = 2 + len(records.files) + 2
    assert waits == [LATENCY] * count
    opened(built)
    assert len(waits) == count  # as fast as before


def test_reading_waits_for_each_block_as_long_as_its_bytes_take(built, waits):
    records = opened(built)
    size = sum(path.stat().st_size for path in built.glob("pretrain_data.tfrecord*"))
    with slow_files(LATENCY, STREAM_MB):
        batches = input_pipeline.training_dataset(records, 8, seed=0)
        next(iter(batches))
    assert waits
    assert set(waits) == {LATENCY + size / len(records.block_examples) / STREAM_MB / 1e6}
