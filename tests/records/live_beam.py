"""Beam writes the same files as the local engine, and fails as it does.

`make test-beam` runs these by the file's name, which pytest does not take for a test's otherwise: Beam
is in an environment of its own.
"""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.records import beam_word_counts, build_dataset, corpus, corpus_parts, unknown_words
from lvbert_tf.records.beam_build import build_with_beam
from lvbert_tf.records.beam_engine import BeamEngine
from lvbert_tf.records.build_dataset import BuildSettings
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.text import learn_vocabulary, word_counts
from lvbert_tf.text.wordpiece_learner import learn_from_counts

ROOT = Path(__file__).parents[2]
IN_PROCESS = "--runner=FnApiRunner"
IN_PROCESSES = "--runner=FnApiRunner --direct_running_mode=multi_processing --direct_num_workers=2"


@pytest.fixture
def engine():
    return BeamEngine(IN_PROCESS)


@pytest.fixture
def many_files(tmp_path, corpus_file) -> Corpus:
    """A corpus of files of different sizes, some of them compressed, some without text."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    text = corpus_file.read_text() * 4
    for number in range(23):
        part = text[number * 3000 : number * 3000 + 500 * (1 + number % 7)].encode()
        if number % 5 == 0:
            (folder / f"{number:02}.txt.gz").write_bytes(gzip.compress(part))
        else:
            (folder / f"{number:02}.txt").write_bytes(part if number % 6 else b"\n")
    (folder / "99.jsonl").write_text('{"text": "bal dom."}\n{"text": "%s"}\n' % ("bal git " * 5000))
    return Corpus(str(folder))


@pytest.fixture
def small_pieces(monkeypatch):
    """Sections, parts and shards so small that there are many of each; they are read by the corpus."""
    monkeypatch.setattr(corpus, "SECTION_BYTES", 1500)
    monkeypatch.setattr(corpus_parts, "PART_CHARACTERS", 700)
    monkeypatch.setattr(corpus_parts, "_MAX_PART_CHARACTERS", 900)
    monkeypatch.setattr(build_dataset, "SHARD_BYTES", 3000)


def files_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize("num_shards", [None, 3, 60])
def test_the_files_are_those_of_the_local_engine(
    small_pieces, many_files, vocabulary_file, tmp_path, engine, num_shards
):
    written = []
    for build, name in ((build_dataset.build_dataset, "local"), (build_with_beam, "beam")):
        settings = BuildSettings(
            vocabulary_file,
            tmp_path / name,
            24,
            held_out_fraction=0.1,
            num_shards=num_shards,
            seed=3,
        )
        source = Corpus(many_files.location)
        build(source, settings, *([engine] if name == "beam" else []))
        assert len(source.sections) > 8
        written.append(files_of(tmp_path / name))
    assert written[0] == written[1]
    assert len(written[0]) > (10 if num_shards is None else num_shards + 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beam", "corpus", "local"]


def test_workers_write_to_a_bucket(
    small_pieces, many_files, vocabulary_file, tmp_path, engine, bucket
):
    """Not the process that waits for them: it has no place to write to."""
    settings = BuildSettings(vocabulary_file, tmp_path / "local", 24)
    build_dataset.build_dataset(Corpus(many_files.location), settings)
    for file in Path(many_files.location).iterdir():
        (bucket / "corpus" / file.name).write_bytes(file.read_bytes())
    source = Corpus("gs://bucket/corpus")
    in_bucket = BuildSettings(vocabulary_file, "gs://bucket/data/out", 24)
    build_with_beam(source, in_bucket, engine)
    written = files_of(bucket / "data" / "out")
    assert json.loads(written.pop(".contents.json"))["files"].keys() == written.keys()
    described = json.loads(written["manifest.json"])
    described["settings"]["corpus"] = many_files.location
    expected = files_of(tmp_path / "local")
    assert described == json.loads(expected.pop("manifest.json"))
    assert written.pop("manifest.json") and written == expected
    with pytest.raises(InputError, match="is not empty; name another directory"):
        build_with_beam(source, in_bucket, engine)

    (bucket / "corpus" / "00.txt.gz").write_bytes(b"\x1f\x8b damaged")
    replacing = BuildSettings(vocabulary_file, "gs://bucket/data/out", 24, overwrite=True)
    with pytest.raises(InputError, match=r"gs://bucket/corpus/00\.txt\.gz"):
        build_with_beam(Corpus("gs://bucket/corpus"), replacing, engine)
    assert (bucket / "data" / "out" / "manifest.json").exists()  # found before it was replaced
    beam_word_counts.count_words(Corpus(many_files.location), True, True, engine, bucket / "v")
    assert {path.name for path in bucket.iterdir()} == {"corpus", "data"}


def test_word_counts_are_those_of_the_local_engine(
    small_pieces, many_files, tmp_path, engine, monkeypatch
):
    source = Corpus(many_files.location)
    expected = learn_vocabulary((text for _, text in source.read()), 150)
    monkeypatch.setattr(beam_word_counts, "_WORDS_AT_ONCE", 20)
    for limit in (1000, 30):  # there are 90 words
        monkeypatch.setattr(word_counts, "MAX_DISTINCT_WORDS", limit)
        counts = beam_word_counts.count_words(source, True, True, engine, tmp_path / "beside")
        with word_counts.WordCounts(limit) as words:
            for counted in word_counts.WordCounter(True, True)(text for _, text in source.read()):
                words.add(counted)
            assert list(counts.items()) == list(words.most_frequent().items())
        assert counts["bal"] > 5000
        assert (learn_from_counts(counts, 150) == expected) == (limit == 1000)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_errors_are_those_of_the_local_engine(
    small_pieces, many_files, vocabulary_file, tmp_path, engine, monkeypatch
):
    monkeypatch.setattr(unknown_words, "JUDGED_TOKENS", 200)
    folder = Path(many_files.location)
    known = folder / "01.txt"
    (folder / "empty").mkdir()
    (folder / "empty" / "blank.txt").write_text("\n\n")
    (folder / "97.txt.gz").write_bytes(gzip.compress(known.read_bytes() * 9)[:-20])
    (folder / "98.txt").write_bytes(b"bal\0")
    strange = tmp_path / "strange.txt"
    strange.write_text(" ".join(f"w{n}" for n in range(4000)) + "\n")
    cases = {
        str(folder): r"97\.txt\.gz: corrupt or truncated",
        f"{known},{folder / '98.txt'}": r"98\.txt: binary data, a NUL byte at offset 3",
        f"{known},{strange}": r"of the first [0-9,]+ tokens are \[UNK\]",
        str(strange): r"of the first [0-9,]+ tokens are \[UNK\]",
        str(folder / "empty"): "no text in the corpus",
    }
    for location, message in cases.items():
        said = []
        for build, more in ((build_dataset.build_dataset, []), (build_with_beam, [engine])):
            settings = BuildSettings(vocabulary_file, tmp_path / "out", 24)
            with pytest.raises(InputError, match=message) as error:
                build(Corpus(location), settings, *more)
            said.append(str(error.value))
        assert said[0] == said[1]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "strange.txt"]
    with pytest.raises(InputError, match=r"97\.txt\.gz: corrupt"):
        beam_word_counts.count_words(Corpus(str(folder)), True, True, engine, tmp_path / "beside")


@pytest.mark.parametrize(
    "options, message",
    [
        ("--runner=NoSuchRunner", "--runner=NoSuchRunner: "),
        ("--runner=FnApiRunner --num_wrokers=2", "FnApiRunner has no option --num_wrokers"),
        ("--direct_num_workers=two", "direct_num_workers: invalid int value: 'two'"),
        ("FlinkRunner", "'FlinkRunner' is no option"),
        ("--runner='FnApi", "No closing quotation"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)) as error:
        BeamEngine(options)
    assert "\n" not in str(error.value)


def command(folder: Path, output: str, *flags: str) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "build_pretraining_dataset.py", "--corpus_dir"]
    command += [folder / "corpus", "--vocab_file", folder / "vocab.txt", "--output_dir"]
    command += [folder / output, "--learn_vocab_size=300", "--max_seq_length=64", *flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def local(tmp_path_factory, corpus_file) -> Path:
    """A corpus of three sections, and the vocabulary and records that the local engine makes of it."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "corpus").mkdir()
    text = corpus_file.read_text()
    for number in range(3):
        copies = (4_400_000 + 300_000 * number) // len(text) + 1
        (folder / "corpus" / f"{number}.txt").write_text(text[number * 1000 :] * copies)
    done = command(folder, "local")
    assert done.returncode == 0, done.stderr
    (folder / "vocab.txt").rename(folder / "expected.txt")
    return folder


def assert_built(folder: Path, done: subprocess.CompletedProcess, output: str) -> None:
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "examples" in done.stdout
    assert files_of(folder / output) == files_of(folder / "local")
    learned = folder / "vocab.txt"
    assert learned.read_bytes() == (folder / "expected.txt").read_bytes()
    learned.unlink()


def test_several_processes_give_the_same_files(local):
    done = command(local, "processes", "--engine=beam", f"--beam_options={IN_PROCESSES}")
    assert_built(local, done, "processes")


def test_a_job_service_gives_the_same_files(local):
    module = "apache_beam.runners.portability.local_job_service_main"
    arguments = [sys.executable, "-m", module, "--port_file", local / "port"]
    service = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (local / "port").exists() or not (local / "port").read_text():
            assert service.poll() is None
        options = f"--runner=PortableRunner --job_endpoint=localhost:{(local / 'port').read_text()}"
        options += " --environment_type=LOOPBACK"
        done = command(local, "service", "--engine=beam", f"--beam_options={options}")
    finally:
        service.kill()
        service.wait()
    assert_built(local, done, "service")


def test_a_bad_file_is_one_line_from_several_processes(local):
    bad = local / "corpus" / "3.jsonl"
    bad.write_text('{"text": "bal"}\n{"body": 1}\n')
    try:
        done = command(local, "bad", "--engine=beam", f"--beam_options={IN_PROCESSES}")
    finally:
        bad.unlink()
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"error: {bad}, line 2: no text in field 'text'; the record has ['body']"
    )
    assert not (local / "bad").exists() and not list(local.glob(".tmp-*"))


def test_no_runner_at_the_other_end_is_one_line(local):
    (local / "vocab.txt").write_bytes((local / "expected.txt").read_bytes())
    options = "--runner=PortableRunner --job_endpoint=localhost:1 --environment_type=LOOPBACK"
    options += " --job_server_timeout=2"
    done = command(local, "nobody", "--engine=beam", f"--beam_options={options}")
    (local / "vocab.txt").unlink()
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: PortableRunner could not do it: ")
    assert not (local / "nobody").exists() and not list(local.glob(".tmp-*"))
