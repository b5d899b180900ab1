"""Shards that are laid out from sizes are those that a ShardWriter writes one record after the other."""

import collections

from hypothesis import given
from hypothesis import strategies as st

from lvbert_tf.records.part_encoder import EncodedSplit
from lvbert_tf.records.shard_layout import ShardLimits, lay_out, size_of
from lvbert_tf.records.shard_writer import ShardWriter

PARTS = st.lists(st.lists(st.integers(1, 30), max_size=12), max_size=12)


@given(PARTS, st.integers(1, 5), st.sampled_from([None, 20, 100]))
def test_records_go_where_a_writer_puts_them(tmp_path_factory, parts, files_at_once, shard_bytes):
    directory = tmp_path_factory.mktemp("shards")
    writer = ShardWriter(directory, "data", files_at_once, shard_bytes)
    parts = [
        [bytes([number, place]) * size for place, size in enumerate(sizes)]
        for number, sizes in enumerate(parts)
    ]
    for records in filter(None, parts):
        writer.write(records)
    written = {s.name: (directory / s.name).read_bytes() for s in writer.finish()}

    limits = ShardLimits("data", files_at_once, shard_bytes)
    layout = lay_out([size_of(EncodedSplit(records), limits) for records in parts], limits)
    dealt = collections.defaultdict(bytes)
    for number, records in enumerate(parts):
        for name, some in layout.deal(number, records):
            dealt[name] += b"".join(some)
    assert dict(dealt) == written and layout.names == tuple(written)
