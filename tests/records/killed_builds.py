"""Builds records in processes that are killed at every moment that matters, and compares the results.

  python killed_builds.py CORPUS VOCABULARY FOLDER

Each process is a fork of this one, kills itself (SIGKILL, which nothing can handle) at a given call of
those that write files, and another process continues. A line is printed for each build that differs.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from lvbert_tf.quiet_import import import_tensorflow
from lvbert_tf.records import build_dataset as build_module
from lvbert_tf.records import corpus, corpus_parts, record_writing
from lvbert_tf.records.build_dataset import BuildSettings, build_dataset

CALLS = ("fsync", "replace", "rename", "unlink")
CORPUS, VOCABULARY, FOLDER = map(Path, sys.argv[1:])


def kill_at(number: int) -> None:
    """Kills this process at so many calls from now on; before the call, so that it is not made."""
    left = number

    def counted(call):
        def counting(*arguments, **options):
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counting

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


def build(output: Path, kill_at_call: int | None = None, overwrite: bool = False) -> bool:
    """Builds in another process; returns whether it was killed."""
    child = os.fork()
    if not child:
        if kill_at_call:
            kill_at(kill_at_call)
        notes = []
        settings = BuildSettings(
            VOCABULARY, output, 24, held_out_fraction=0.1, seed=3, overwrite=overwrite
        )
        build_dataset(corpus.Corpus(str(CORPUS)), settings, on_note=notes.append)
        for note in notes:
            print(note, flush=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status)
    assert killed or os.waitstatus_to_exitcode(status) == 0, f"exit code {status}"
    return killed


def content(output: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in output.iterdir()}


def main() -> None:
    import_tensorflow()
    corpus_parts.PART_CHARACTERS = 3000
    corpus.SECTION_BYTES = 12_000
    build_module.SHARD_BYTES = 12_000
    build(FOLDER / "whole")
    expected = content(FOLDER / "whole")
    assert len(expected) > 6, list(expected)
    record_writing.SECONDS_BETWEEN_SAVES = 0.0
    output, unfinished = FOLDER / "out", FOLDER / ".tmp-out-unfinished"
    complete = FOLDER / "complete"

    # Each process continues what the one before it has left, and gets one call further.
    call = 1
    while build(output, call):
        state = unfinished / "state.json"
        if state.exists() and json.loads(state.read_text())["state"]["complete"]:
            break
        call += 2
    print(f"killed at call 1 to {call}", flush=True)
    shutil.copytree(unfinished, complete)
    check(build(output), output, expected)

    # All records are written; what comes now also replaces an output that is there.
    call = 1
    while True:
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(complete, unfinished)
        if call % 2:
            shutil.rmtree(output)
        if not build(output, call, overwrite=True):
            break
        check(build(output, overwrite=True), output, expected)
        call += 1
    check(False, output, expected)
    print(f"killed at each of the last calls, {call - 1}", flush=True)
    shutil.rmtree(complete)
    print("left:", sorted(path.name for path in FOLDER.iterdir()))


def check(killed: bool, output: Path, expected: dict[str, bytes]) -> None:
    assert not killed
    if content(output) != expected:
        print("the records differ", flush=True)


if __name__ == "__main__":
    main()
