import numpy as np
import pytest

from lvbert_tf.records import record_scan
from lvbert_tf.records.tfrecord import frame


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
