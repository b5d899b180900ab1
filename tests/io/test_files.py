import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io.files import read_json_object, text_of


def test_a_byte_order_mark_is_no_text(tmp_path):
    """Windows programs write one at the beginning of a file."""
    assert text_of("é\ufeff".encode("utf-8-sig"), "f") == "é\ufeff"
    (tmp_path / "config.json").write_text('{"é": 1}', encoding="utf-8-sig")
    assert read_json_object(tmp_path / "config.json") == {"é": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "é".encode("utf-16"),
            "f is UTF-16 text, as some Windows programs write it; save it as UTF-8",
        ),
        (b"\xfe\xff\0a", "f is UTF-16 text"),
        (b"a\xe9b", "f is not UTF-8 text: bad byte at offset 1"),
    ],
)
def test_other_encodings_are_named(content, message):
    with pytest.raises(InputError, match=message):
        text_of(content, "f")
