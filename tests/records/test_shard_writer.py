"""Shards, and going on with those that another process has begun."""

import json

import numpy as np
import pytest

from lvbert_tf.records.shard_writer import LostShard, ShardWriter


def test_shards_list_where_blocks_start(tmp_path, monkeypatch):
    monkeypatch.setattr("lvbert_tf.records.shard_writer.BLOCK_EXAMPLES", 3)
    writer = ShardWriter(tmp_path, "data", files_at_once=2, shard_bytes=None)
    records = [bytes([n]) * (n + 1) for n in range(15)]
    writer.write(records[:4])
    writer.write(records[4:])
    first, second = writer.finish()
    assert (tmp_path / first.name).read_bytes() == b"".join(records[0::2])
    assert (tmp_path / second.name).read_bytes() == b"".join(records[1::2])
    sizes = np.cumsum([0] + [len(record) for record in records[0::2]])
    assert first.block_offsets == (sizes[0], sizes[3], sizes[6])


RECORDS = [bytes([n]) * (n % 7 + 1) for n in range(40)]


def write(writer, begin, end):
    for first in range(begin, end, 5):
        writer.write(RECORDS[first : first + 5])


@pytest.mark.parametrize("saved", range(0, 45, 5))
def test_writing_goes_on_from_a_state(tmp_path, monkeypatch, saved):
    """Whatever was written after the state, and however far `finish` came, is dropped."""
    monkeypatch.setattr("lvbert_tf.records.shard_writer.BLOCK_EXAMPLES", 3)
    (tmp_path / "whole").mkdir()
    whole = ShardWriter(tmp_path / "whole", "data", 3, shard_bytes=30)
    write(whole, 0, 40)
    expected = whole.finish()

    (tmp_path / "out").mkdir()
    first = ShardWriter(tmp_path / "out", "data", 3, shard_bytes=30)
    write(first, 0, saved)
    if saved == 40:
        first.close()
    state = json.loads(json.dumps(first.save()))
    write(first, saved, min(40, saved + 20))
    first.abandon()
    if saved == 40:
        (tmp_path / "out" / "data-0").rename(tmp_path / "out" / expected[0].name)

    second = ShardWriter(tmp_path / "out", "data", 3, shard_bytes=30)
    second.restore(state)
    write(second, saved, 40)
    assert second.finish() == expected
    files = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert files == {file.name: file.read_bytes() for file in (tmp_path / "whole").iterdir()}


@pytest.mark.parametrize("name", ["data-0", "data-5"])
@pytest.mark.parametrize("damage", ["gone", "short", "changed"])
def test_a_shard_that_is_not_what_it_was(tmp_path, name, damage):
    writer = ShardWriter(tmp_path, "data", 3, shard_bytes=30)
    write(writer, 0, 40)
    state = writer.save()
    writer.abandon()
    assert len(state["closed"]) == 3 and len(state["open"]) == 3
    path = tmp_path / name
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "short":
        path.write_bytes(data[:-1])
    elif name == "data-5":  # of those that are closed only the size is checked
        path.write_bytes(data[:-1] + b"?")
    else:
        return
    with pytest.raises(LostShard, match=f"{name} "):
        ShardWriter(tmp_path, "data", 3, shard_bytes=30).restore(state)
