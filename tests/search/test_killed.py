"""Searches that are killed at any moment end as if they had not been: real processes, kill -9."""

import dataclasses
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from synthetic import SEED, Landscape, make_settings, open_synthetic

from lvbert_tf.search.search import search
from lvbert_tf.search.trials import candidates

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "synthetic.py"
PATIENCE = 120.0  # seconds, for a busy machine


def start(directory, url="", seconds=0.05):
    """A process that serves the study, as does any other one of the same directory."""
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(directory), url, str(seconds)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_after(process, lines):
    """Kills the process when it has scored that many candidates."""
    for _ in range(lines):
        assert process.stdout.readline().strip().isdigit()
    process.kill()
    process.communicate()


def finish(process) -> list[str]:
    """Waits for a process that must do well, and say nothing else; returns its lines."""
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    return out.split()


def outcome(directory, url=""):
    """All that a search leaves but the times."""
    study, _ = open_synthetic(directory, make_settings(), url)
    assert {trial.state.name for trial in study.trials} <= {"COMPLETE", "FAIL"}
    return [dataclasses.replace(candidate, seconds=0.0) for candidate in candidates(study)]


@pytest.fixture(scope="module")
def never_killed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("whole")
    study, space = open_synthetic(directory, make_settings())
    search(study, space, make_settings(), Landscape(), SEED)
    return outcome(directory)


@pytest.mark.slow
def test_a_process_killed_again_and_again_takes_over_from_itself(tmp_path, never_killed):
    scored = 0
    for lines in (3, 1, 8):  # in a generation, just after the start, at the end of one
        kill_after(start(tmp_path), lines)
        scored += lines
    began = time.monotonic()
    *numbers, last = finish(start(tmp_path))
    assert last == "COMPLETE"
    assert len(numbers) <= 28 - scored
    assert time.monotonic() - began < 30  # Optuna's own lock would wait that long
    assert outcome(tmp_path) == never_killed


@pytest.mark.slow
def test_a_process_killed_at_any_moment_of_writing_loses_nothing(tmp_path, never_killed):
    random.seed(0)
    for _ in range(4):
        process = start(tmp_path, seconds=0.0)  # it hardly does anything but write
        journal = tmp_path / "study.journal"
        size = journal.stat().st_size if journal.exists() else 0
        wanted = size + random.randrange(1, 20_000)
        while process.poll() is None and (not journal.exists() or journal.stat().st_size < wanted):
            pass
        process.kill()
        process.communicate()
    assert finish(start(tmp_path))[-1] == "COMPLETE"
    assert outcome(tmp_path) == never_killed


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["journal", "sqlite", "postgresql"])
def test_of_two_processes_that_serve_one_study_one_is_killed(
    tmp_path, never_killed, storage, request
):
    server = request.getfixturevalue("server") if storage == "postgresql" else None
    url = server.url if server else {"journal": "", "sqlite": f"sqlite:///{tmp_path}/x.db"}[storage]
    survivor, victim = start(tmp_path, url), start(tmp_path, url)
    kill_after(victim, 3)
    if server:
        server.stop()  # under the survivor, which has most of the work still before it
        server.start()
    *numbers, last = finish(survivor)
    assert last == "COMPLETE"
    assert 3 <= len(numbers) <= 25
    assert outcome(tmp_path, url) == never_killed
