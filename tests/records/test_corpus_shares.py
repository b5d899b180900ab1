"""Dividing a corpus between machines."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from lvbert_tf.errors import InputError
from lvbert_tf.pretraining.data import open_held_out
from lvbert_tf.programs.record_building import parse_part
from lvbert_tf.records import corpus as corpus_module
from lvbert_tf.records import corpus_parts
from lvbert_tf.records.build_dataset import BuildSettings, build_dataset
from lvbert_tf.records.corpus import Corpus, Section, Share
from lvbert_tf.records.documents import DocumentFormat
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.settings.parts import RecordSettings
from lvbert_tf.text.vocabulary import Vocabulary

ROOT = Path(__file__).parents[2]


def sections_of(sizes) -> list[Section]:
    text = DocumentFormat(True, "text")
    return [Section(n, sum(sizes[:n]), size, (), text) for n, size in enumerate(sizes)]


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=9), st.integers(1, 40))
def test_each_part_of_a_section_belongs_to_one_share(sizes, count):
    sections = sections_of(sizes)
    shares = [Share(number, count, sum(sizes)) for number in range(1, count + 1)]
    for section in sections:
        for part in range(30):
            owners = [share for share in shares if share.has(section, part)]
            assert len(owners) == 1 and owners[0].reads(section)


@pytest.mark.parametrize("count", [2, 3, 8, 100])
def test_shares_are_of_equal_size_and_most_sections_are_read_once(count):
    # A corpus of one file, and one of many files of about ten parts each.
    (one,) = sections_of([10**12])
    shares = [Share(number, count, 10**12) for number in range(1, count + 1)]
    owned = [sum(share.has(one, part) for part in range(5000)) for share in shares]
    assert sum(owned) == 5000 and max(owned) - min(owned) <= 5
    many = sections_of([10**7 + 10**5 * (n % 17) for n in range(1000)])
    total = sum(section.bytes for section in many)
    shares = [Share(number, count, total) for number in range(1, count + 1)]
    read = [sum(share.reads(section) for section in many) for share in shares]
    assert sum(read) <= 1000 + count
    owned = [sum(share.has(s, part) for s in many for part in range(10)) for share in shares]
    assert sum(owned) == 10_000 and max(owned) < 1.15 * 10_000 / count


def records_of(directory) -> Counter:
    found: Counter = Counter()
    for prefix in ("pretrain_data", "held_out"):
        files = [str(file) for file in directory.glob(f"{prefix}.tfrecord-*")]
        for record in tf.data.TFRecordDataset(files).as_numpy_iterator():
            found[prefix, record] += 1
    return found


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(corpus_parts, "PART_CHARACTERS", 1000)
    monkeypatch.setattr(corpus_module, "SECTION_BYTES", 9000)


@pytest.mark.parametrize("files", [1, 7])
def test_the_parts_together_have_the_records_of_the_whole(
    small_parts, corpus_file, vocabulary_file, tmp_path, files
):
    (tmp_path / "corpus").mkdir()
    documents = corpus_file.read_text().split("\n\n")
    for n in range(files):
        (tmp_path / "corpus" / f"{n}.txt").write_text("\n\n".join(documents[n::files]))
    corpus = Corpus(str(tmp_path / "corpus"))
    build_dataset(corpus, BuildSettings(vocabulary_file, tmp_path / "whole", 24))
    together: Counter = Counter()
    for number in (1, 2, 3):
        output = tmp_path / f"part-{number}"
        share = Corpus(str(tmp_path / "corpus")).divided(number, 3)
        counted: list[int] = []
        manifest = build_dataset(share, BuildSettings(vocabulary_file, output, 24), counted.append)
        assert manifest.settings["part"] == f"{number}/3"
        assert sum(counted) == share.total_bytes <= corpus.total_bytes
        together += records_of(output)
    whole = records_of(tmp_path / "whole")
    assert together == whole and sum(whole.values()) > 300

    # Named together, they are one set.
    settings, vocabulary = RecordSettings(24), Vocabulary.load(vocabulary_file)
    training = [record for prefix, record in whole.elements() if prefix == "pretrain_data"]
    for pattern in (
        f"{tmp_path}/part-*/pretrain_data*",
        ",".join(f"{tmp_path}/part-{n}/pretrain_data*" for n in (1, 2, 3)),
    ):
        records = RecordSet.open(pattern, settings, vocabulary)
        assert records.num_examples == len(training)
        held_out = pattern.replace("pretrain_data", "held_out.tfrecord")
        opened = open_held_out(held_out, settings, vocabulary, print)
        assert opened.num_examples == sum(whole.values()) - len(training)


def test_a_part_without_text(corpus_file, vocabulary_file, tmp_path):
    corpus = Corpus(str(corpus_file)).divided(2, 2)  # a corpus of a single part
    settings = BuildSettings(vocabulary_file, tmp_path / "out")
    with pytest.raises(InputError, match=r"no text in part 2/2 of the corpus.*ask for fewer parts"):
        build_dataset(corpus, settings)


def test_what_the_flag_takes():
    assert parse_part("2/8") == (2, 8) and parse_part(" 12/12 ") == (12, 12)
    for part in ("0/2", "3/2", "2", "1/0", "a/b", "1/2/3", "-1/2", ""):
        message = re.escape(f"--part is {part!r}; it is I/N, such as 2/8, with I from 1 to N")
        with pytest.raises(InputError, match=message):
            parse_part(part)


@pytest.mark.slow
def test_both_programs_build_parts(corpus_file, vocabulary_file, tmp_path):
    (tmp_path / "openwebtext").mkdir()
    words = corpus_file.read_text().replace("\n\n", "\n")
    (tmp_path / "openwebtext" / "a.txt").write_text(words * (9_000_000 // len(words)))
    (tmp_path / "vocab.txt").write_text(vocabulary_file.read_text())
    totals = []
    for number in (1, 2):
        command = [sys.executable, ROOT / "build_openwebtext_pretraining_dataset.py"]
        command += [f"--data_dir={tmp_path}", f"--part={number}/2"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f"written to {tmp_path}/pretrain_tfrecords-{number}-of-2" in done.stdout
        totals += re.findall(r"training: [\d,]+ examples, ([\d,]+) tokens", done.stdout)
    command = [sys.executable, ROOT / "build_pretraining_dataset.py", "--part=1/1"]
    command += [f"--corpus_dir={tmp_path}/openwebtext", f"--vocab_file={vocabulary_file}"]
    command += ["--blanks_separate_docs=False", f"--output_dir={tmp_path}/whole"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (whole,) = re.findall(r"training: [\d,]+ examples, ([\d,]+) tokens", done.stdout)
    counts = [int(total.replace(",", "")) for total in [*totals, whole]]
    assert counts[0] + counts[1] == counts[2] and min(counts) > 0.3 * counts[2]
