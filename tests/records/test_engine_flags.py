"""The flags that choose what builds records, where Apache Beam is not installed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHOUT_BEAM = """
import runpy, sys
sys.modules["apache_beam"] = None  # importing it then raises
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--engine=beam"], "pip install 'lvbert_tf[beam]'"),
        (["--beam_options=--runner=FlinkRunner"], "--beam_options is of no use without --engine"),
        (["--engine=beam", "--num_processes=2"], "--num_processes is of no use with --engine beam"),
        (["--engine=spark"], "should be one of <local|beam>"),
    ],
)
def test_an_engine_that_cannot_build_is_one_line(
    corpus_file, vocabulary_file, tmp_path, flags, message
):
    command = [sys.executable, "-c", WITHOUT_BEAM, ROOT / "build_pretraining_dataset.py", *flags]
    command += ["--corpus_dir", corpus_file, "--vocab_file", vocabulary_file]
    command += ["--output_dir", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and message in done.stderr
    assert done.stderr.count("\n") == 1 and not list(tmp_path.iterdir())
