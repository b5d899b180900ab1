"""Reading a corpus with several processes."""

import gzip
import json
import multiprocessing
import os
import signal
import time

import psutil
import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.records import corpus_reading
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.corpus_order import Position, lanes_from
from lvbert_tf.records.corpus_parts import CorpusPart
from lvbert_tf.records.corpus_reading import read_corpus


def readers() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    """Eleven sections of several parts each, and one without text; other processes find the same."""
    folder = tmp_path_factory.mktemp("sections")
    for number in range(11):
        documents = [{"text": f"{number} {n} " + "word " * 4000} for n in range(220 + 5 * number)]
        lines = "\n".join(map(json.dumps, documents)).encode()
        (folder / f"{number:02}.jsonl").write_bytes(lines)
    (folder / "98.txt").write_bytes(b" \n" * 3_000_000)
    (folder / "99.jsonl.gz").write_bytes(gzip.compress(b'{"text": "last"}'))
    corpus = Corpus(str(folder))
    assert len(corpus.sections) == 13
    return corpus


@pytest.mark.parametrize("num_processes", [2, 3, 20])
def test_any_number_of_processes_reads_the_same(corpus, num_processes):
    alone = list(read_corpus(corpus, Position(), 1))
    assert list(read_corpus(corpus, Position(), num_processes)) == alone
    assert not readers()
    position = Position()
    for read in alone[: len(alone) // 3]:
        position.move_past(read)
    assert list(read_corpus(corpus, position, num_processes)) == alone[len(alone) // 3 :]
    share = corpus.divided(2, 3)
    assert list(read_corpus(share, Position(), num_processes)) == [
        *read_corpus(share, Position(), 1)
    ]


def test_memory_is_bounded_by_what_was_taken(corpus):
    reads = read_corpus(corpus, Position(), 2)
    assert isinstance(next(reads).part, CorpusPart)
    first, second = readers()
    spent = -1.0
    while spent != (spent := sum(first.cpu_times()[:2]) + sum(second.cpu_times()[:2])):
        time.sleep(1.5)
    # Most of the corpus is still to be read, and nobody reads it.
    assert max(first.memory_info().rss, second.memory_info().rss) < 300e6
    reads.close()
    assert not psutil.pid_exists(first.pid) and not psutil.pid_exists(second.pid)


def test_an_error_comes_at_its_place(corpus, tmp_path):
    for number in range(3):
        text = b'{"text": "' + b"word " * 1_000_000 + b'"}\n'
        (tmp_path / f"{number}.jsonl").write_bytes(text + (b"oops" if number == 1 else b"") + text)
    read = []
    with pytest.raises(InputError, match=r"1\.jsonl, line 2: not JSON"):
        for item in read_corpus(Corpus(str(tmp_path)), Position(), 3):
            read.append(item.part.section)
    assert read == [0]


def test_a_process_that_is_killed_amid_a_message_is_one_line():
    receiving, sending = multiprocessing.Pipe(duplex=False)
    os.write(sending.fileno(), (1000).to_bytes(4, "big") + b"the first bytes")
    sending.close()
    with pytest.raises(InputError, match="a building process was killed"):
        list(corpus_reading._receive(receiving))


def test_a_reader_ends_in_silence_when_nobody_reads_it(corpus, monkeypatch):
    monkeypatch.setattr(corpus_reading, "end_with_parent", lambda: None)
    receiving, sending = multiprocessing.Pipe(duplex=False)
    receiving.close()
    corpus_reading._read(lanes_from(corpus, Position()), sending)


def test_a_killed_process_is_one_line(corpus):
    reads = read_corpus(corpus, Position(), 3)
    next(reads)
    os.kill(readers()[0].pid, signal.SIGKILL)
    with pytest.raises(InputError, match="a building process was killed"):
        list(reads)
