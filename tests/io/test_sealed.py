"""JSON files with a checksum."""

import json

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io.sealed import read_sealed_json, write_sealed_json

VALUE = {"steps": 600, "figures": {"accuracy": 63.74999999999999, "mcc": None}, "text": "\u2028é"}


def test_what_was_written_is_read(tmp_path):
    write_sealed_json(tmp_path / "a.json", VALUE)
    assert read_sealed_json(tmp_path / "a.json") == VALUE


def test_a_file_of_an_earlier_release_is_read(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(VALUE))
    assert read_sealed_json(tmp_path / "a.json") == VALUE


def test_every_changed_bit_is_found_or_changes_nothing(tmp_path):
    path = tmp_path / "a.json"
    write_sealed_json(path, VALUE)
    content, refused = path.read_bytes(), 0
    for bit in range(8 * len(content)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            assert read_sealed_json(path) == VALUE
        except InputError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            refused += 1
    assert refused > 4 * len(content)


def test_a_digit_that_is_another_is_refused(tmp_path):
    path = tmp_path / "a.json"
    write_sealed_json(path, VALUE)
    path.write_text(path.read_text().replace("63.7", "73.7"))
    with pytest.raises(InputError, match="is damaged: its content is not what was written"):
        read_sealed_json(path)
