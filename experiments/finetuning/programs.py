"""Runs the programs of the project in turn, some at a time, and adds up the processor time."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from lvbert_tf.errors import InputError
from lvbert_tf.files import write_json

ROOT = Path(__file__).resolve().parents[2]
_ONE_CORE = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
_STOPPED = "stopped; the same command continues"

T = TypeVar("T")


class Programs:
    """Programs that run at the same time, each on one core; SIGTERM and SIGINT stop them all.

    They save and leave when they are stopped, so the same command continues.

    Args:
      output_dir: gets `logs/` and `processor_seconds.json`.
      jobs: programs at a time.
    """

    def __init__(self, output_dir: Path, jobs: int):
        self.output_dir = output_dir
        self.jobs = jobs
        self._running: set[subprocess.Popen] = set()
        self._stopped = False
        self._lock = threading.Lock()
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "Programs":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _stop(self, *_: object) -> None:
        self._stopped = True
        for process in tuple(self._running):
            process.terminate()

    def for_all(self, work: Callable[[T], None], items: Iterable[T], what: str) -> None:
        """Does work that runs programs for all items, `jobs` at a time.

        Raises:
          InputError: of the first item whose work failed; those after it are not begun.
        """
        items = list(items)
        with ThreadPoolExecutor(self.jobs) as pool, tqdm(total=len(items), desc=what) as bar:
            futures = [pool.submit(work, item) for item in items]
            try:
                for future in futures:
                    future.result()
                    bar.update()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def run(self, name: str, program: str, arguments: Mapping[str, object]) -> None:
        """Runs a program and waits for it.

        Args:
          name: of its log, and of its processor time, which adds up where it was continued.
          program: e.g. `run_finetuning.py`.
          arguments: its flags.

        Raises:
          InputError: it failed or was stopped; names the log.
        """
        log = self.output_dir / "logs" / f"{name}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(ROOT / program)]
        command += [f"--{flag}={value}" for flag, value in arguments.items()]
        with log.open("ab") as output:
            with self._lock:
                if self._stopped:
                    raise InputError(_STOPPED)
                process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env={**os.environ, **_ONE_CORE},
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
                self._running.add(process)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        with self._lock:
            self._running.discard(process)
            spent = processor_seconds(self.output_dir)
            spent[name] = spent.get(name, 0.0) + usage.ru_utime + usage.ru_stime
            write_json(self.output_dir / "processor_seconds.json", spent)
        if self._stopped and process.returncode:
            raise InputError(_STOPPED)
        if process.returncode:
            raise InputError(f"{program} ended with exit code {process.returncode}; see {log}")


def processor_seconds(output_dir: Path) -> dict[str, float]:
    """What each program has needed so far, by its name."""
    path = output_dir / "processor_seconds.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
