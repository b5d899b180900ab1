"""Reading a corpus: its documents, formats and encodings."""

import bz2
import gzip
import json
import lzma
import os
import pickle
import tracemalloc
from itertools import chain

import pytest
import zstandard
from corpora import DOCUMENTS, TEXT, documents, make_zip, tar_of
from hypothesis import given
from hypothesis import strategies as st

from lvbert_tf.errors import InputError
from lvbert_tf.io import streams
from lvbert_tf.records import documents as documents_module
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.documents import Tally

COMPRESS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
# Hardly compressible.
NOISE = "".join(f"{number:x}\n" for number in range(0, 10**9, 99_991)).encode()


def test_blank_lines_separate_documents(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    assert documents(tmp_path / "a.txt") == DOCUMENTS


def test_a_file_is_one_document_if_blank_lines_do_not_separate(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    found = documents(tmp_path / "a.txt", blanks_separate_docs=False)
    assert found == [["one two", "three", "four", "five"]]


def test_windows_line_ends_and_byte_order_mark(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert documents(tmp_path / "a.txt") == DOCUMENTS


def test_utf_16_is_named(tmp_path):
    for name in ("a.txt", "a.jsonl"):
        (tmp_path / name).write_bytes(TEXT.encode("utf-16"))
        with pytest.raises(InputError, match=f"{name} is UTF-16 text"):
            documents(tmp_path / name)


@pytest.mark.parametrize("compress", COMPRESS.values(), ids=COMPRESS)
def test_compression_is_recognised_by_content(tmp_path, compress):
    # As `cat` makes of two compressed files.
    (tmp_path / "odd").write_bytes(b"".join(map(compress, (TEXT.encode(), b"\nsix"))))
    assert documents(tmp_path / "odd") == [["one two", "three"], ["four", "five"], ["six"]]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_json_lines_give_a_document_each(tmp_path, suffix):
    lines = [json.dumps({"body": "a\n\nb", "text": 1}), "", json.dumps({"body": "c"})]
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(COMPRESS[suffix]("\n".join(lines).encode()))
    assert documents(path, json_field="body") == [["a", "b"], ["c"]]


@pytest.mark.parametrize("mode", ["w", "w:xz", "w:gz", "w:bz2"])
def test_tar_members_give_a_document_each(tmp_path, mode):
    data = tar_of({"x/1.txt": b"one\n\ntwo", "x/2.txt": b"three", "x/._2.txt": b"\0"}, mode)
    (tmp_path / "subset.xz").write_bytes(data)
    found = documents(tmp_path, blanks_separate_docs=False)
    assert found == [["one", "two"], ["three"]]


def test_openwebtext_is_an_archive_of_compressed_archives(tmp_path):
    inner = {
        f"openwebtext/{n}_data.xz": tar_of({"a.txt": f"text {n}".encode()}, "w:xz") for n in "01"
    }
    (tmp_path / "openwebtext.tar.xz").write_bytes(tar_of(inner, "w:xz"))
    assert documents(tmp_path) == [["text 0"], ["text 1"]]


def test_members_are_never_written_to_disk(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.tar").write_bytes(tar_of({"../escaped.txt": b"text", "/tmp/abs.txt": b"more"}))
    assert documents(folder) == [["text"], ["more"]]
    assert [path.name for path in tmp_path.rglob("*")] == ["corpus", "a.tar"]


def make_tfds_text(data_dir, name, *shards):
    """Writes a data set whose shards hold these texts, and lets TFDS find it."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict({"label": tf.int64, "body": tfds.features.Text()})
    folder = data_dir / name / "1.0.0"
    folder.mkdir(parents=True)
    template = tfds.core.ShardedFileTemplate(
        folder, dataset_name=name, split="train", filetype_suffix="tfrecord"
    )
    size = 0
    for number, texts in enumerate(shards):
        path = folder / f"{name}-train.tfrecord-{number:05}-of-{len(shards):05}"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for text in texts:
                example = features.encode_example({"label": 0, "body": text})
                record = features.serialize_example(example)
                writer.write(record)
                size += len(record)
    split = tfds.core.SplitInfo(
        name="train",
        shard_lengths=list(map(len, shards)),
        num_bytes=size,
        filename_template=template,
    )
    tfds.folder_dataset.write_metadata(data_dir=folder, features=features, split_infos=[split])
    tfds.core.add_data_dir(data_dir)


def test_tfds_text(tmp_path):
    make_tfds_text(tmp_path, "tiny_texts", ["first\ndocument", "zweites Dökument"])
    tally = Tally()
    source = Corpus("tfds:tiny_texts")
    assert [text for _, text in source.read(tally)] == ["first\ndocument", "zweites Dökument"]
    assert tally == Tally(bytes=source.total_bytes, records=1) and tally.bytes > 0
    with pytest.raises(InputError, match=r"no split 'dev'; it has .*train"):
        Corpus("tfds:tiny_texts:dev")


def test_tfds_text_divides_into_sections(tmp_path, monkeypatch):
    monkeypatch.setattr("lvbert_tf.records.corpus.SECTION_BYTES", 1)
    shards = [[f"text {shard} {number}" for number in range(20)] for shard in range(3)]
    make_tfds_text(tmp_path, "sharded_texts", *shards)
    read = {}
    for location in ("tfds:sharded_texts", "tfds:sharded_texts:train[30:]"):
        whole, tally = Corpus(location), Tally()
        sections = pickle.loads(pickle.dumps(whole.sections))
        read[location] = [[text for _, text in section.read(tally)] for section in sections]
        assert tally.bytes == whole.total_bytes == sum(section.bytes for section in sections)
        assert [text for _, text in whole.read()] == [*chain(*read[location])]
    assert read["tfds:sharded_texts"] == shards
    assert [*chain(*read["tfds:sharded_texts:train[30:]"])] == [*chain(*shards)][30:]
    assert Corpus(location).fingerprint() != Corpus("tfds:sharded_texts").fingerprint()


def test_unknown_tfds_name():
    with pytest.raises(InputError, match="tfds:no_such_set"):
        Corpus("tfds:no_such_set")


@given(
    blocks=st.lists(st.sampled_from(["a", "b c", "é€", " ", "", "\t", "x" * 40]), max_size=40),
    chunk=st.integers(min_value=8, max_value=60),
)
def test_documents_do_not_depend_on_how_the_file_is_read(tmp_path_factory, blocks, chunk):
    text = "\n".join(blocks)
    path = tmp_path_factory.mktemp("chunks") / "a.txt"
    path.write_text(text)
    expected = [[]]
    for line in blocks:
        if line.strip():
            expected[-1].append(line.strip())
        elif expected[-1]:
            expected.append([])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents_module, "CHUNK_BYTES", max(chunk, 44))
        assert documents(path) == [lines for lines in expected if lines]


def test_an_endless_line_is_cut_between_characters(tmp_path, monkeypatch):
    monkeypatch.setattr(documents_module, "CHUNK_BYTES", 10)
    (tmp_path / "a.txt").write_text("€" * 50)
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "€" * 50}))
    assert ["".join(lines) for lines in documents(tmp_path)] == ["€" * 50] * 2


def test_a_few_bytes_of_zstd_take_little_memory(tmp_path):
    spaces = zstandard.ZstdCompressor(level=19).compress((b" " * 1023 + b"\n") * (1 << 17))
    (tmp_path / "a.zst").write_bytes(spaces)
    assert len(spaces) < 20_000
    tracemalloc.start()
    for _, stream in streams.open_streams(tmp_path / "a.zst"):
        assert sum(map(len, stream)) == 1 << 27
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def test_all_bytes_are_reported(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT * 1000)
    (tmp_path / "b.tar.gz").write_bytes(tar_of({"c": TEXT.encode() * 1000}, "w:gz"))
    tally = Tally()
    source = Corpus(str(tmp_path))
    assert list(source.read(tally))
    assert tally.bytes == source.total_bytes == sum(f.stat().st_size for f in tmp_path.iterdir())


def test_binary_data_is_refused_with_its_place(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"text\n" * 100 + b"\0\1")
    with pytest.raises(InputError, match=r"a\.bin: binary data, a NUL byte at offset 500"):
        documents(tmp_path)


def test_another_encoding_is_refused_with_its_place(tmp_path):
    (tmp_path / "a.txt").write_bytes("schöne Bäume".encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.txt: not UTF-8 text, byte 0xf6 at offset 3"):
        documents(tmp_path)


def test_a_stray_byte_in_much_text_is_left_out_and_counted(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"word " * 1000 + b"\xff")
    tally = Tally()
    texts = [text for _, text in Corpus(str(tmp_path)).read(tally)]
    assert "".join(texts).strip() == ("word " * 1000).strip() and tally.undecodable == 1


@pytest.mark.parametrize("end", [0, 1, 3, 10, -20, -1])
@pytest.mark.parametrize("suffix", COMPRESS)
def test_truncated_files_are_named(tmp_path, monkeypatch, suffix, end):
    monkeypatch.setattr(streams, "_BUFFER_BYTES", 1000)  # so that the end is found late
    (tmp_path / f"a.txt{suffix}").write_bytes(COMPRESS[suffix](NOISE)[:end])
    with pytest.raises(InputError, match=f"a.txt{suffix}: corrupt or truncated: ."):
        documents(tmp_path)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_corrupt_files_are_named(tmp_path, suffix):
    data = bytearray(COMPRESS[suffix](NOISE))
    data[len(data) // 2] ^= 0x10
    (tmp_path / f"a.txt{suffix}").write_bytes(data)
    with pytest.raises(InputError, match=f"a.txt{suffix}: corrupt or truncated: ."):
        documents(tmp_path)


def test_truncated_archives_are_named(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar_of({"b": NOISE})[:2000])
    with pytest.raises(InputError, match=r"a\.tar.*: corrupt or truncated"):
        documents(tmp_path)


@pytest.mark.parametrize("name", [f"a{suffix}" for suffix in COMPRESS])
def test_text_under_the_name_of_a_compressed_file_is_text(tmp_path, name):
    (tmp_path / name).write_text(TEXT)
    assert documents(tmp_path / name) == DOCUMENTS


@pytest.mark.parametrize(
    "line, message",
    [
        ('{"title": "x"}', r"line 2: no text in field 'text'; the record has \['title'\]"),
        ('{"text": 3}', "line 2: no text in field 'text'"),
        ("[1]", "line 2: no text in field 'text'; the record has list"),
        ("{oops", "line 2: not JSON"),
        ("[" * 100_000, "line 2: not JSON"),
        ("9" * 10_000, "line 2: not JSON"),
    ],
)
def test_json_without_the_text_is_refused(tmp_path, line, message):
    (tmp_path / "a.jsonl").write_text('{"text": "ok"}\n' + line + "\n")
    with pytest.raises(InputError, match=r"a\.jsonl, " + message):
        documents(tmp_path)


def test_a_packed_member_of_an_archive_is_named(tmp_path):
    make_zip(tmp_path / "a.zip")
    data = tar_of({"x/a.zip": (tmp_path / "a.zip").read_bytes()})
    (tmp_path / "a.zip").unlink()
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.tar!x/a\.zip is a zip archive"):
        documents(tmp_path)


def test_what_was_read_as_text_and_as_records(tmp_path):
    for name, data, texts, records in (
        ("a.txt", TEXT.encode(), 1, 0),
        ("b.json.gz", gzip.compress(b'{"text": "x"}'), 1, 1),
    ):
        (tmp_path / name).write_bytes(data)
        tally = Tally()
        assert list(Corpus(str(tmp_path)).read(tally))
        assert (tally.texts, tally.records) == (texts, records)
        assert tally.take().texts == texts and tally == Tally()


def test_small_files_are_gathered_in_order(tmp_path, monkeypatch):
    for number, size in enumerate([3, 4, 9, 2, 30, 1, 2]):
        (tmp_path / f"{number}.txt").write_bytes(b"x" * size)
    monkeypatch.setattr("lvbert_tf.records.corpus.SECTION_BYTES", 10)
    sections = Corpus(str(tmp_path)).sections
    names = ["".join(source.path.stem for source in section.sources) for section in sections]
    assert names == ["012", "34", "56"]
    assert [section.bytes for section in sections] == [16, 32, 3]
    assert [section.start for section in sections] == [0, 16, 48]
    assert [section.index for section in sections] == [0, 1, 2]


def test_a_fingerprint_changes_with_the_files_and_with_how_they_are_read(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text(TEXT)
    found = [Corpus(str(tmp_path)).fingerprint()] * 2
    assert Corpus(str(tmp_path)).fingerprint() == found[0]
    found.append(Corpus(str(tmp_path), json_field="body").fingerprint())
    found.append(Corpus(str(tmp_path), blanks_separate_docs=False).fingerprint())
    os.utime(file, ns=(1, 1))
    found.append(Corpus(str(tmp_path)).fingerprint())
    file.write_text(TEXT + "x")
    os.utime(file, ns=(1, 1))
    found.append(Corpus(str(tmp_path)).fingerprint())
    file.rename(tmp_path / "b.txt")
    found.append(Corpus(str(tmp_path)).fingerprint())
    assert len(set(found)) == 6


def test_a_path_with_commas_is_one_path(tmp_path):
    directory = tmp_path / "a, b"
    directory.mkdir()
    (directory / "c,d.txt").write_text(TEXT)
    assert documents(directory) == documents(directory / "c,d.txt") == DOCUMENTS
