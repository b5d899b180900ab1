"""A process for each file of tests: what fails and crashes is told, and the rest is run."""

import subprocess
import sys
from pathlib import Path

FILES = {
    "test_dies.py": """
import os, pytest

@pytest.fixture(scope="session")
def process():
    return os.getpid()

def test_before(process):
    print("printed before")

def test_death():
    os.kill(os.getpid(), 9)

def test_after():
    assert 1 == 2

def test_skipped():
    pytest.skip("for a reason")
""",
    "test_other.py": """
import os, warnings

def test_one():
    open("one", "w").write(str(os.getpid()))

def test_two(tmp_path):
    assert open("one").read() == str(os.getpid())
    assert not list(tmp_path.iterdir())
""",
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    for name, text in FILES.items():
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "tests.forked_files", "-p", "no:cacheprovider"]
    root = Path(__file__).parent.parent
    return subprocess.run(
        [*command, "-rA", f"--rootdir={folder}", *arguments, str(folder)],
        cwd=folder,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_death_and_a_failure_leave_the_rest(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 1
    assert "2 failed, 3 passed, 1 skipped" in done.stdout
    assert "the process of this file died: SIGKILL" in done.stdout
    assert "assert 1 == 2" in done.stdout
    assert done.stdout.count("printed before") == 1


def test_the_first_failure_ends_all(tmp_path):
    done = run(tmp_path, "-x", "--processes=1")
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert not (tmp_path / "one").exists()
