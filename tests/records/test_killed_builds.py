"""Builds that are killed go on, and their records are those of a build that nobody killed."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.records import corpus as corpus_module
from lvbert_tf.records import corpus_parts, record_writing
from lvbert_tf.records.build_dataset import BuildSettings, build_dataset
from lvbert_tf.records.corpus import Corpus

# The program, but it saves after every part.
PROGRAM = (
    "from lvbert_tf.records import record_writing; record_writing.SECONDS_BETWEEN_SAVES = 0.0;"
    "from lvbert_tf.programs.build_data import run; run()"
)


def content(output: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in output.iterdir()}


@pytest.fixture
def corpus_folder(corpus_file, tmp_path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    documents = corpus_file.read_text().split("\n\n")
    for number in range(5):
        (folder / f"{number}.txt").write_text("\n\n".join(documents[number::5]))
    return folder


@pytest.mark.slow
def test_a_kill_at_any_call_that_writes_changes_no_byte(corpus_folder, vocabulary_file, tmp_path):
    (tmp_path / "outputs").mkdir()
    command = [sys.executable, Path(__file__).with_name("killed_builds.py"), corpus_folder]
    done = subprocess.run(
        [*command, vocabulary_file, tmp_path / "outputs"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": ".", "PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
    assert "differ" not in done.stdout
    assert done.stdout.splitlines()[-1] == "left: ['out', 'whole']"
    kills = list(map(int, re.findall(r"^killed at .* (\d+)$", done.stdout, re.MULTILINE)))
    assert len(kills) == 2 and min(kills) >= 10
    shares = set(map(int, re.findall(r"had written the records of (\d+)%", done.stdout)))
    assert 100 in shares


@pytest.mark.slow
def test_the_program_goes_on_after_signals(corpus_file, vocabulary_file, tmp_path):
    text = corpus_file.read_text() + "\n"
    (tmp_path / "corpus").mkdir()
    for number in range(3):
        (tmp_path / "corpus" / f"{number}.txt").write_text(text * (6_000_000 // len(text)))
    command = [sys.executable, "-c", PROGRAM, f"--corpus_dir={tmp_path / 'corpus'}"]
    command += [f"--vocab_file={vocabulary_file}"]
    whole = subprocess.run([*command, f"--output_dir={tmp_path / 'whole'}"], capture_output=True)
    assert whole.returncode == 0, whole.stderr

    command += [f"--output_dir={tmp_path / 'out'}"]
    state = tmp_path / ".tmp-out-unfinished" / "state.json"
    shares = []
    for number, how in enumerate([signal.SIGKILL, signal.SIGTERM, signal.SIGINT], start=1):
        before = state.read_bytes() if state.exists() else None
        process = subprocess.Popen(
            [*command, f"--num_processes={number}"], stderr=subprocess.PIPE, text=True
        )
        while not state.exists() or state.read_bytes() == before:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.002)
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == (130 if how == signal.SIGINT else -how)
        assert "Traceback" not in errors
        shares += map(int, re.findall(r"had written the records of (\d+)%", errors))
        assert not (tmp_path / "out").exists()
    assert "the same command continues it" in errors and errors.endswith("interrupted\n")
    last = subprocess.run(command, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    shares += map(int, re.findall(r"had written the records of (\d+)%", last.stderr))
    assert len(shares) == 3 and 0 < shares[0] < shares[1] < shares[2] < 100
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"corpus", "whole", "out"}


class Stop(Exception):
    pass


@pytest.fixture
def stopped(corpus_folder, vocabulary_file, tmp_path, monkeypatch):
    """A build that ended in the middle; returns what builds the same again, with the notes."""
    monkeypatch.setattr(corpus_parts, "PART_CHARACTERS", 3000)
    monkeypatch.setattr(corpus_module, "SECTION_BYTES", 10_000)
    monkeypatch.setattr(record_writing, "SECONDS_BETWEEN_SAVES", 0.0)
    calls = itertools.count()

    def stop(count):
        if next(calls) == 4:
            raise Stop

    def build(output="out", on_bytes=lambda count: None, **changes):
        values = {"vocabulary_file": vocabulary_file, "max_seq_length": 24, **changes}
        settings = BuildSettings(output_dir=tmp_path / output, **values)
        notes = []
        build_dataset(Corpus(str(corpus_folder)), settings, on_bytes, on_note=notes.append)
        return notes

    with pytest.raises(Stop):
        build(on_bytes=stop)
    return build


def test_progress_begins_with_what_is_written(stopped, corpus_folder):
    counts = []
    (note,) = stopped(on_bytes=counts.append)
    total = sum(file.stat().st_size for file in corpus_folder.iterdir())
    assert (
        note
        == f"continuing an earlier run, which had written the records of {counts[0] / total:.0%}"
    )
    assert 0 < counts[0] < total and sum(counts) == total


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"max_seq_length": 32}, "max_seq_length changed"),
        ({"seed": 1}, "seed changed"),
        ({"num_shards": 3}, "num_shards changed"),
        ({"lowercase": False, "strip_accents": False}, "do_lower_case changed"),
        ({"allow_unknown_words": True}, None),
    ],
)
def test_only_a_build_of_the_same_records_goes_on(stopped, tmp_path, change, why):
    (note,) = stopped(**change)
    if why:
        output = tmp_path / "out"
        assert note == f"starting again, not continuing what an earlier run left of {output}: {why}"
    else:
        assert note.startswith("continuing")
    stopped("whole", **change)
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_a_corpus_that_changed_is_read_from_the_start(stopped, corpus_folder, tmp_path):
    with (corpus_folder / "0.txt").open("a") as file:
        file.write(" bal")
    (note,) = stopped()
    assert "the corpus (the names, sizes or times of its files, or how it is read) changed" in note
    stopped("whole")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["shard", "state"])
def test_damage_is_told_and_costs_only_time(stopped, tmp_path, damage):
    root = tmp_path / ".tmp-out-unfinished"
    if damage == "shard":
        path = root / "files" / "pretrain_data.tfrecord-1"
        path.write_bytes(b"?" + path.read_bytes()[1:])
        why = f"an earlier run: {path} does not hold what was written to it"
    else:
        path = root / "state.json"
        path.write_text(re.sub(r'("tokens": )\d', r"\g<1>9", path.read_text()))
        why = f"what an earlier run left of {tmp_path / 'out'}: {path} is damaged"
    (note,) = stopped()
    assert note == f"starting again, not continuing {why}"
    stopped("whole")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_an_error_in_the_corpus_does_not_lose_what_is_written(stopped, corpus_folder, tmp_path):
    stopped("whole")
    path = corpus_folder / "4.txt"
    data, times = path.read_bytes(), path.stat().st_mtime_ns
    with pytest.raises(InputError, match="binary data"):
        path.write_bytes(b"\0" * len(data))
        os.utime(path, ns=(times, times))
        stopped()
    path.write_bytes(data)
    os.utime(path, ns=(times, times))
    (note,) = stopped()
    assert note.startswith("continuing")
    assert content(tmp_path / "out") == content(tmp_path / "whole")
