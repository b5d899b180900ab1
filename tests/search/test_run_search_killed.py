"""The search program killed, stopped, and shared: real processes and real signals."""

import csv
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_run import make_data, saved_steps
from tiny_search import CANDIDATES, hparams_json

from lvbert_tf.search.run import run_search

ROOT = Path(__file__).parents[2]
PATIENCE = 300.0  # seconds, for a busy machine


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("killed") / "data")


@pytest.fixture(scope="module")
def never_killed(data):
    assert run_search(str(data), "whole", hparams_json()) == 0
    return data / "searches" / "whole"


def start(data, name, *flags):
    command = [sys.executable, "run_search.py", "--data_dir", str(data), "--search_name", name]
    return subprocess.Popen(
        [*command, "--hparams", hparams_json(), *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process) -> int:
    printed, _ = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in printed, printed
    return process.returncode


def send_when(process, happened, number) -> int:
    """Sends a signal as soon as something has happened; returns the exit code."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    return finish(process)


def scored(journal: Path) -> int:
    """Trials that a journal has scores of."""
    return journal.read_text().count('"scores"') if journal.exists() else 0


def takers(journal: Path) -> set[int]:
    """The processes that have taken a trial."""
    text = journal.read_text() if journal.exists() else ""
    return {int(pid) for pid in re.findall(r'"pid":(\d+)', text)}


def outcome(directory: Path) -> dict:
    """What a search comes to, without the times."""
    with (directory / "candidates.csv").open(newline="") as file:
        rows = [{**row, "seconds": None} for row in csv.DictReader(file)]
    kept = {name: (directory / name).read_text() for name in ("references.json", "best.toml")}
    return {"candidates": rows, **kept}


@pytest.mark.slow
def test_killed_stopped_and_shared_equals_never_killed(data, never_killed):
    """A kill, a termination, and two processes at one search, of which one is killed."""
    # Of the same name, as the report has it.
    other = make_data(data.parent / "other")
    directory = other / "searches" / "whole"
    journal = directory / "study.journal"

    def trained():
        return saved_steps(directory / "supernet")

    assert send_when(start(other, "whole"), trained, signal.SIGKILL) == -9

    # The first string takes longest, as scoring is traced then.
    begun = (directory / "held_out.npz").exists
    assert send_when(start(other, "whole"), begun, signal.SIGTERM) == 143
    assert scored(journal) < CANDIDATES

    one, two = (start(other, "whole", "--stage", "search") for _ in range(2))
    both = {one.pid, two.pid}
    assert send_when(one, lambda: both <= takers(journal), signal.SIGKILL) == -9
    assert finish(two) == 0

    assert finish(start(other, "whole")) == 0
    assert outcome(directory) == outcome(never_killed)


@pytest.mark.slow
def test_two_replicas_and_a_database_score_alike(data, never_killed):
    directory = data / "searches" / "replicas"
    shutil.copytree(never_killed / "supernet", directory / "supernet")
    url = f"sqlite:///{data}/search.db"
    assert finish(start(data, "replicas", "--virtual_devices", "2", "--storage", url)) == 0
    assert not (directory / "study.journal").exists()
    ours, theirs = outcome(directory)["candidates"], outcome(never_killed)["candidates"]
    assert len(ours) == len(theirs) == CANDIDATES
    for row, other in zip(ours, theirs, strict=True):
        assert row["string"] == other["string"]
        assert float(row["disc_loss"]) == pytest.approx(float(other["disc_loss"]), rel=1e-4)
