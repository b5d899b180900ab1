"""Jobs of an experiment: each once, some at a time, stopped together, and continued."""

import json
import os
import signal
import sys
import threading
import time

import pytest

from experiments.evidence.jobs import Job, JobRunner, processor_seconds
from lvbert_tf.errors import InputError

# Counts its starts, waits for the file that lets it go on, and writes its result.
PROGRAM = """
import pathlib, sys, time
starts, gate, result = map(pathlib.Path, sys.argv[1:])
with starts.open("a") as file:
    file.write("x")
while not gate.exists():
    time.sleep(0.02)
result.write_text("done")
"""


@pytest.fixture
def make_job(tmp_path):
    def make(name, gate="open"):
        (tmp_path / "open").touch()
        paths = [tmp_path / f"{name}.starts", tmp_path / gate, tmp_path / f"{name}.result"]
        command = [sys.executable, "-c", PROGRAM, *map(str, paths)]
        return Job(name, command, [paths[-1]])

    return make


def starts(tmp_path, name):
    path = tmp_path / f"{name}.starts"
    return len(path.read_text()) if path.exists() else 0


def test_jobs_run_once_and_their_processor_time_adds_up(tmp_path, make_job):
    (tmp_path / "processor_seconds.json").write_text('{"a": 1000}')  # of an earlier start
    with JobRunner(tmp_path, jobs=2) as runner:
        for name in "aba":
            runner.submit(make_job(name))
        runner.finish([make_job("a")])
        assert make_job("a").is_done
        runner.finish()
    with JobRunner(tmp_path, jobs=2) as runner:
        runner.submit(make_job("a"))
        runner.finish()
    assert (starts(tmp_path, "a"), starts(tmp_path, "b")) == (1, 1)
    spent = processor_seconds(tmp_path)
    assert spent["a"] > 1000 and 0 < spent["b"] < 1000


def test_a_signal_stops_all_and_the_same_jobs_continue(tmp_path, make_job):
    """Of three jobs one is done, one is stopped while it runs, and one is not begun."""

    def interrupt():
        while not starts(tmp_path, "b"):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    handler = signal.getsignal(signal.SIGTERM)
    with JobRunner(tmp_path, jobs=1) as runner:
        runner.submit(make_job("a"))
        runner.submit(make_job("b", gate="later"))
        runner.submit(make_job("c"))
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(InputError, match="stopped; the same command continues"):
            runner.finish()
        thread.join()
    assert signal.getsignal(signal.SIGTERM) == handler
    assert [starts(tmp_path, name) for name in "abc"] == [1, 1, 0]
    assert set(processor_seconds(tmp_path)) == {"a", "b"}
    (tmp_path / "later").touch()
    with JobRunner(tmp_path, jobs=1) as runner:
        for job in (make_job("a"), make_job("b", gate="later"), make_job("c")):
            runner.submit(job)
        runner.finish()
    assert [starts(tmp_path, name) for name in "abc"] == [1, 2, 1]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("print('why'); raise SystemExit(3)", r"bad ended with exit code 3; see .*bad\.txt"),
        ("pass", r"bad left no .*nothing; see .*bad\.txt"),
    ],
    ids=["fails", "writes nothing"],
)
def test_a_job_that_fails_stops_the_others(tmp_path, make_job, program, message):
    bad = Job("bad", [sys.executable, "-c", program], [tmp_path / "nothing"])
    with pytest.raises(InputError, match=message), JobRunner(tmp_path, jobs=2) as runner:
        runner.submit(make_job("endless", gate="never"))
        runner.submit(bad)
        runner.submit(make_job("c", gate="never"))
        runner.finish([bad])
    assert not (tmp_path / "endless.result").exists()
    if "why" in program:
        assert (tmp_path / "logs" / "bad.txt").read_text() == "why\n"


def test_a_job_that_fails_keeps_no_other_from_being_done(tmp_path, make_job):
    bad = Job("bad", [sys.executable, "-c", "raise SystemExit(3)"], [tmp_path / "nothing"])
    with (
        pytest.raises(InputError, match="bad ended with exit code 3"),
        JobRunner(tmp_path, jobs=1) as runner,
    ):
        for job in (bad, make_job("a"), make_job("b")):
            runner.submit(job)
        runner.finish()
    assert [starts(tmp_path, name) for name in "ab"] == [1, 1]
    assert set(processor_seconds(tmp_path)) == {"a", "b", "bad"}


def test_a_job_has_one_core(tmp_path):
    program = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
    path = tmp_path / "environment.json"
    with JobRunner(tmp_path, jobs=1) as runner:
        runner.submit(Job("a", [sys.executable, "-c", program, str(path)], [path]))
        runner.finish()
    environment = json.loads(path.read_text())
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    assert [environment[name] for name in names] == ["1", "1"]
