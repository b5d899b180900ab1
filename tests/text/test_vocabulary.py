import bz2
import gzip
import hashlib
import io
import lzma
import os
import subprocess
import sys
import zipfile

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.text import Vocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write(tmp_path, content: bytes):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    return path


def test_ids_are_line_numbers(tmp_path):
    tokens = ["[PAD]", "the", "[UNK]", "##s", "[CLS]", "[SEP]", "[MASK]", "é"]
    vocabulary = Vocabulary.load(write(tmp_path, "\n".join(tokens).encode()))
    assert vocabulary.tokens == tuple(tokens)
    assert vocabulary.size == 8
    special = ("pad_id", "unk_id", "cls_id", "sep_id", "mask_id")
    assert [getattr(vocabulary, name) for name in special] == [0, 2, 4, 5, 6]
    assert (vocabulary.id("the"), vocabulary.id("##s"), vocabulary.id("é")) == (1, 3, 7)
    assert vocabulary.id("absent") == vocabulary.unk_id


def test_line_ends_do_not_matter(tmp_path):
    text = "\n".join([*SPECIAL, "a"]) + "\n"
    unix = Vocabulary.load(write(tmp_path, text.encode()))
    windows = Vocabulary.load(write(tmp_path, text.replace("\n", "\r\n").encode()))
    marked = Vocabulary.load(write(tmp_path, b"\xef\xbb\xbf" + text.encode()))
    assert unix == windows == marked
    assert unix.sha256 == windows.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_utf_16_is_named(tmp_path):
    with pytest.raises(InputError, match=r"is UTF-16 text, .*save it as UTF-8"):
        Vocabulary.load(write(tmp_path, "\n".join(SPECIAL).encode("utf-16")))


def test_lines_end_only_at_newlines_and_are_stripped(tmp_path):
    # U+0085 and U+2028 end a line for str.splitlines.
    content = "\n".join([*SPECIAL, "a\x85b", " c\u2028d\t", "", "e"])
    vocabulary = Vocabulary.load(write(tmp_path, content.encode()))
    assert vocabulary.tokens[5:] == ("a\x85b", "c\u2028d", "", "e")


def test_the_last_duplicate_wins(tmp_path):
    tokens = [*SPECIAL, "a", "b", "a", "[SEP]"]
    vocabulary = Vocabulary.load(write(tmp_path, "\n".join(tokens).encode()))
    assert vocabulary.size == 9
    assert vocabulary.id("a") == 7
    assert vocabulary.sep_id == 8
    assert vocabulary.tokens[5] == "a"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \r\n\n", "is empty"),
        (b"[PAD]\n\0\x01", "binary"),
        (b"[PAD]\n\xff\xfe", "not UTF-8 text: bad byte at offset 6"),
        (b"[PAD]\n[CLS]\n[SEP]\na\n", r"lacks \[UNK\] \[MASK\];"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=message) as error:
        Vocabulary.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_directory_are_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        Vocabulary.load(tmp_path / "absent.txt")
    with pytest.raises(InputError, match="directory"):
        Vocabulary.load(tmp_path)


def test_what_is_no_vocabulary_by_its_size_is_refused(tmp_path):
    path = write(tmp_path, b"[PAD]")
    os.truncate(path, (64 << 20) + 1)
    with pytest.raises(InputError, match=r"vocab\.txt is larger than 64 MiB"):
        Vocabulary.load(path)


def test_devices_and_pipes_are_refused():
    with pytest.raises(InputError, match="the vocabulary /dev/zero is a device, not a file"):
        Vocabulary.load("/dev/zero")
    reading, writing = os.pipe()
    try:
        with pytest.raises(InputError, match=f"vocabulary /dev/fd/{reading} is a pipe, which can"):
            Vocabulary.load(f"/dev/fd/{reading}")
    finally:
        os.close(reading)
        os.close(writing)


def zip_archive(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("vocab.txt", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("pack", "kind"),
    [
        (zip_archive, "a zip archive"),
        (gzip.compress, "a gzip file"),
        (bz2.compress, "a bzip2 file"),
        (lzma.compress, "an xz file"),
        (lambda content: b"\x28\xb5\x2f\xfd" + content, "a zstd file"),
    ],
    ids=["zip", "gzip", "bzip2", "xz", "zstd"],
)
def test_a_packed_vocabulary_is_refused_by_its_kind(tmp_path, pack, kind):
    path = write(tmp_path, pack("\n".join(SPECIAL).encode()))
    with pytest.raises(InputError, match=f"vocab.txt is {kind}; unpack it"):
        Vocabulary.load(path)


def test_decode_joins_pieces():
    vocabulary = Vocabulary((*SPECIAL, "un", "##aff", "##able", ","))
    assert vocabulary.decode([2, 5, 6, 7, 8, 3]) == "[CLS] unaffable , [SEP]"
    assert vocabulary.decode([7]) == "##able"
    assert vocabulary.decode([]) == ""
    for outside in (-1, 9):
        with pytest.raises(InputError, match=f"{outside} is outside 0 to 8"):
            vocabulary.decode([outside])


def test_reading_a_vocabulary_does_not_import_tensorflow():
    program = "import sys, lvbert_tf.text.vocabulary; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
