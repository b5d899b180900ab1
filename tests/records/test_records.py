import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.records import record_scan
from lvbert_tf.records.examples import Spans
from lvbert_tf.records.records import MAX_VOCABULARY_SIZE, ExampleEncoder, frame


def values(record: bytes) -> dict[str, list[int]]:
    features = tf.train.Example.FromString(record).features.feature
    return {name: list(feature.int64_list.value) for name, feature in features.items()}


@pytest.mark.parametrize("width", [5, 128, 512])
@pytest.mark.parametrize("cls_id, sep_id", [(2, 3), (101, 102), (130, 1 << 20)])
def test_records_are_the_reference_schema(width, cls_id, sep_id):
    generator = np.random.default_rng(width)
    # Ids of one, two and three bytes.
    tokens = generator.integers(0, MAX_VOCABULARY_SIZE, 4 * width) >> generator.integers(
        0, 15, 4 * width
    )
    start = np.arange(7) * (width // 2)
    split = start + generator.integers(1, width - 3, 7)
    end = np.minimum(split + generator.integers(0, width, 7), start + width - 3)
    encode = ExampleEncoder(MAX_VOCABULARY_SIZE, width, cls_id, sep_id)
    messages = encode(tokens.astype(np.int32), Spans(start, split, end))
    for row, message in enumerate(messages):
        first = [cls_id, *tokens[start[row] : split[row]], sep_id]
        second = [*tokens[split[row] : end[row]], sep_id] if split[row] < end[row] else []
        padding = [0] * (width - len(first) - len(second))
        assert values(message) == {
            "input_ids": first + second + padding,
            "input_mask": [1] * len(first + second) + padding,
            "segment_ids": [0] * len(first) + [1] * len(second) + padding,
        }
        # Not only readable: as compact as TensorFlow's own.
        assert len(message) == len(tf.train.Example.FromString(message).SerializeToString())
    assert len(messages) == 7


def test_frames_are_what_tensorflow_writes(tmp_path):
    messages = [bytes(range(size % 256)) * 3 + b"tail" for size in range(0, 500, 7)]
    path = str(tmp_path / "records")
    with tf.io.TFRecordWriter(path) as writer:
        for message in messages:
            writer.write(message)
    assert b"".join(frame(messages)) == (tmp_path / "records").read_bytes()
    assert frame([]) == []


def write(path, messages) -> list[int]:
    framed = frame(messages)
    path.write_bytes(b"".join(framed))
    return [0, *np.cumsum([len(record) for record in framed])]


def flip(path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


MESSAGES = [f"message number {n}".encode() * (n + 1) for n in range(10)]


def test_scan_counts_a_sound_file(tmp_path):
    write(tmp_path / "a", MESSAGES)
    scan = record_scan.scan(str(tmp_path / "a"), verify=True)
    assert scan.blocks == [(0, 10)] and not scan.corrupt and scan.first_damage is None


def test_scan_passes_over_damaged_data(tmp_path):
    starts = write(tmp_path / "a", MESSAGES)
    flip(tmp_path / "a", starts[4] + 15)
    scan = record_scan.scan(str(tmp_path / "a"), verify=True)
    assert scan.blocks == [(0, 4), (starts[5], 5)]
    assert scan.corrupt == 1 and scan.first_damage == (4, starts[4])
    assert record_scan.is_damaged_at(str(tmp_path / "a"), starts[4] + 12)
    assert not record_scan.is_damaged_at(str(tmp_path / "a"), starts[5] + 12)


@pytest.mark.parametrize("verify", [True, False])
def test_scan_stops_at_a_damaged_length(tmp_path, verify):
    starts = write(tmp_path / "a", MESSAGES)
    flip(tmp_path / "a", starts[4] + 6)
    scan = record_scan.scan(str(tmp_path / "a"), verify)
    assert scan.blocks == [(0, 4)] and scan.first_damage == (4, starts[4])


@pytest.mark.parametrize("cut", [1, 3, 11, 14, 30])
def test_scan_finds_a_truncated_end(tmp_path, cut, monkeypatch):
    starts = write(tmp_path / "a", MESSAGES)
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data[: starts[9] + cut])
    for chunk in (64, 1 << 20):
        monkeypatch.setattr(record_scan, "_CHUNK_BYTES", chunk)
        scan = record_scan.scan(str(tmp_path / "a"), verify=True)
        assert scan.blocks == [(0, 9)] and scan.first_damage == (9, starts[9])


def test_blocks_are_bounded(tmp_path, monkeypatch):
    starts = write(tmp_path / "a", MESSAGES)
    monkeypatch.setattr(record_scan, "BLOCK_EXAMPLES", 4)
    scan = record_scan.scan(str(tmp_path / "a"), verify=False)
    assert scan.blocks == [(0, 4), (starts[4], 4), (starts[8], 2)]
