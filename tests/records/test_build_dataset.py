import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.records import build_dataset as build_module
from lvbert_tf.records import corpus_parts
from lvbert_tf.records.build_dataset import BuildSettings, build_dataset
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.held_out_split import is_held_out
from lvbert_tf.records.manifest import Manifest
from lvbert_tf.text.vocabulary import Vocabulary

PROGRAM = Path(__file__).parents[2] / "build_pretraining_dataset.py"


def read(files) -> list[dict[str, np.ndarray]]:
    found = []
    for record in tf.data.TFRecordDataset([str(file) for file in files]).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        found.append({name: np.array(f.int64_list.value) for name, f in features.items()})
    return found


def manifest_of(directory) -> Manifest:
    path = directory / "manifest.json"
    return Manifest.from_json(path.read_text(), path)


def text_of(examples, vocabulary) -> list[str]:
    special = {vocabulary.cls_id, vocabulary.sep_id}
    return [
        " ".join(
            vocabulary.tokens[i] for i in e["input_ids"][e["input_mask"] == 1] if i not in special
        )
        for e in examples
    ]


def test_no_text_is_lost(built, corpus_file, vocabulary_file):
    vocabulary = Vocabulary.load(vocabulary_file)
    shards = sorted(built.glob("pretrain_data.tfrecord-*"))
    texts = [text_of(read([shard]), vocabulary) for shard in shards]
    # Examples were dealt out in turn.
    training = [texts[n % len(texts)][n // len(texts)] for n in range(sum(map(len, texts)))]
    held_out = text_of(read(built.glob("held_out.tfrecord-*")), vocabulary)
    expected = {True: [], False: []}
    for index, document in enumerate(corpus_file.read_text().split("\n\n")):
        expected[is_held_out(index, 0.1, 3)] += document.split()
    assert " ".join(training).split() == expected[False]
    assert " ".join(held_out).split() == expected[True]


def test_records_have_the_reference_form(built):
    examples = read(built.glob("*.tfrecord-*"))
    for example in examples:
        ids, mask, segments = (example[n] for n in ("input_ids", "input_mask", "segment_ids"))
        assert ids.shape == mask.shape == segments.shape == (24,)
        length = mask.sum()
        assert mask[:length].all() and not ids[length:].any() and not segments[length:].any()
        assert ids[0] == 2 and ids[length - 1] == 3 and (np.diff(segments[:length]) >= 0).all()


def test_the_manifest_describes_the_files(built, corpus_file, vocabulary_file):
    manifest = manifest_of(built)
    vocabulary = Vocabulary.load(vocabulary_file)
    assert manifest.vocabulary_sha256 == vocabulary.sha256
    assert manifest.vocabulary_size == vocabulary.size
    assert (manifest.max_seq_length, manifest.lowercase, manifest.settings["seed"]) == (24, True, 3)
    listed = [*manifest.training.shards, *manifest.held_out.shards]
    assert {s.name for s in listed} | {"manifest.json"} == {f.name for f in built.iterdir()}
    for shard in listed:
        data = (built / shard.name).read_bytes()
        assert shard.bytes == len(data) and shard.sha256 == hashlib.sha256(data).hexdigest()
        assert shard.block_offsets == (0,)
    for split, documents in ((manifest.training, 108), (manifest.held_out, 12)):
        examples = read([built / shard.name for shard in split.shards])
        assert split.counts.examples == len(examples) == sum(s.examples for s in split.shards)
        assert split.counts.documents == documents
        special = sum(2 + e["segment_ids"].any() for e in examples)
        assert split.counts.tokens == sum(e["input_mask"].sum() for e in examples) - special
    counts = manifest.training.counts.text_bytes + manifest.held_out.counts.text_bytes
    assert counts == pytest.approx(corpus_file.stat().st_size, rel=0.05)


@pytest.mark.slow
def test_the_reference_command_line_and_any_number_of_processes_give_the_same_files(
    built, corpus_file, vocabulary_file, tmp_path
):
    command = [sys.executable, PROGRAM, "--corpus-dir", corpus_file.parent]
    command += ["--vocab-file", vocabulary_file, "--output-dir", tmp_path / "out"]
    command += ["--max-seq-length", "24", "--num-processes", "2", "--blanks-separate-docs", "True"]
    command += ["--do-lower-case", "--do-strip-accents"]
    command += ["--held_out_fraction=0.1", "--seed=3", "--learn_vocab_size=7", "--json_field=body"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "written to" in done.stdout and "100%" in done.stderr
    assert done.stdout.count(" tokens (0.00% of them [UNK]) of ") == 2
    assert "is there, so its 97 tokens are used and --learn_vocab_size 7 is not" in done.stderr
    assert "warning: --json_field is not used: no file of the corpus ends in .jsonl" in done.stderr
    for file in built.glob("*.tfrecord-*"):
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()


def test_small_units_and_many_shards_keep_all_examples(
    corpus_file, vocabulary_file, tmp_path, monkeypatch
):
    monkeypatch.setattr(corpus_parts, "PART_CHARACTERS", 500)
    monkeypatch.setattr(build_module, "SHARD_BYTES", 4000)
    settings = BuildSettings(vocabulary_file, tmp_path / "many", 32, held_out_fraction=0)
    manifest = build_dataset(Corpus(str(corpus_file)), settings)
    assert len(manifest.training.shards) > 8 and not manifest.held_out.shards
    assert manifest.training.counts.tokens == len(corpus_file.read_text().split())
    sizes = [shard.examples for shard in manifest.training.shards]
    assert (
        sum(sizes)
        == manifest.training.counts.examples
        == len(read((tmp_path / "many").glob("pretrain_data*")))
    )
    names = [shard.name for shard in manifest.training.shards]
    assert names == [f"pretrain_data.tfrecord-{n}-of-{len(names)}" for n in range(len(names))]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"max_seq_length": 4}, "max_seq_length is 4; it must be 5 to 4096"),
        ({"max_seq_length": 5000}, "max_seq_length is 5000"),
        ({"num_processes": 0}, "num_processes is 0; it must be 1"),
        ({"held_out_fraction": 0.9}, "held_out_fraction is 0.9"),
        ({"num_shards": 0}, "num_shards is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_out_of_range(change, message):
    with pytest.raises(InputError, match=message):
        BuildSettings("vocab.txt", "out", **change)


def test_a_corpus_without_text(tmp_path, vocabulary_file):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.txt").write_text(" \n\n\n")
    settings = BuildSettings(vocabulary_file, tmp_path / "out")
    with pytest.raises(InputError, match="no text in the corpus"):
        build_dataset(Corpus(str(tmp_path / "corpus")), settings)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_damaged_manifest_is_named(tmp_path):
    for text in ("{", "{}", json.dumps({"format": 1})):
        with pytest.raises(InputError, match=r"manifest\.json is damaged"):
            Manifest.from_json(text, tmp_path / "manifest.json")
    marked = json.dumps({"format": 7}).encode("utf-8-sig")  # as a Windows editor saves it
    with pytest.raises(InputError, match="format 7; this program reads 1"):
        Manifest.from_json(marked, tmp_path / "manifest.json")


def test_bad_input_is_one_line_and_status_2(tmp_path, vocabulary_file):
    (tmp_path / "a.bin").write_bytes(b"\0" * 100)
    cases = {
        ("--corpus_dir", tmp_path / "nowhere", "--vocab_file", vocabulary_file): "corpus not found",
        ("--corpus_dir", tmp_path, "--vocab_file", tmp_path / "no.txt"): "cannot read the vocab",
        ("--corpus_dir", tmp_path): "vocab_file",
    }
    for arguments, message in cases.items():
        command = [sys.executable, PROGRAM, "--output_dir", tmp_path / "out", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2 and message in done.stderr
        assert done.stderr.count("\n") == 1 and not (tmp_path / "out").exists()


def command_for(corpus, vocabulary_file, output, *flags):
    command = [sys.executable, PROGRAM, "--corpus_dir", corpus, "--vocab_file", vocabulary_file]
    return [*command, "--output_dir", output, *flags]


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_and_the_same_command_works_later(
    corpus_file, vocabulary_file, tmp_path, full_disk
):
    command = command_for(corpus_file, vocabulary_file, tmp_path / "out")
    with full_disk(5000):  # of about 20,000 bytes a file
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    expected = f"error: File too large: {tmp_path / 'out'}; nothing was written"
    assert done.stderr.splitlines()[-1] == expected
    assert not list(tmp_path.iterdir())
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert max(shard.stat().st_size for shard in (tmp_path / "out").iterdir()) > 5000


@pytest.fixture
def building(corpus_file, vocabulary_file, tmp_path):
    """The program at work, alone in its process group, and the two processes that tokenize for it."""
    corpus = tmp_path / "corpus.txt"
    text = corpus_file.read_text() + "\n"
    corpus.write_text(text * (50_000_000 // len(text)))
    command = command_for(corpus, vocabulary_file, tmp_path / "out", "--num_processes=2")
    program = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        while not any(
            file.stat().st_size for file in tmp_path.glob(".tmp-out-unfinished/files/*tfrecord*")
        ):
            assert program.poll() is None, program.stderr.read()
            time.sleep(0.005)
        children = psutil.Process(program.pid).children()
        workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        assert len(workers) == 2
        yield program, workers
        names = {path.name for path in tmp_path.iterdir()}
        assert names <= {"corpus.txt", ".tmp-out-unfinished"}
        assert not psutil.wait_procs(children, timeout=10)[1]
    finally:
        program.kill()


@pytest.mark.slow
def test_a_killed_process_ends_the_run(building):
    """Out of memory, the kernel kills a worker: no hang, no traceback, no output."""
    program, workers = building
    workers[1].kill()
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 2 and "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("error: a building process was killed")


@pytest.mark.slow
def test_an_interrupt_goes_to_all_processes_and_is_one_line(building):
    """As Ctrl-C in a terminal."""
    program, _ = building
    os.killpg(program.pid, signal.SIGINT)
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 130 and "Traceback" not in errors
    assert errors.splitlines()[-1] == "interrupted"


@pytest.mark.slow
def test_openwebtext_program_learns_a_vocabulary_and_reads_archives(corpus_file, tmp_path):
    folder = tmp_path / "openwebtext"
    folder.mkdir()
    documents = corpus_file.read_text().split("\n\n")
    for number in range(2):
        with tarfile.open(folder / f"urlsf_subset{number}_data.xz", "w:xz") as archive:
            for index in range(number * 60, number * 60 + 60):
                text = documents[index].replace("\n", "\n\n").encode()
                member = tarfile.TarInfo(f"{index:04}.txt")
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text))
    program = PROGRAM.parent / "build_openwebtext_pretraining_dataset.py"
    command = [sys.executable, program, "--data-dir", tmp_path, "--max-seq-length=24"]
    command += ["--learn_vocab_size=150", "--num-processes=1", "--no-lower-case"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    manifest = manifest_of(tmp_path / "pretrain_tfrecords")
    assert manifest.vocabulary_size == Vocabulary.load(tmp_path / "vocab.txt").size == 150
    assert not manifest.lowercase and not manifest.strip_accents
    # Blank lines within a text do not end the document.
    assert manifest.training.counts.documents + manifest.held_out.counts.documents == 120
