"""Jobs: commands that run some at a time, each once and on one core, and continue where they stopped."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from tqdm import tqdm

from lvbert_tf.errors import InputError
from lvbert_tf.io.whole import write_json

ROOT = Path(__file__).resolve().parents[2]
_ONE_CORE = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
_STOPPED = "stopped; the same command continues"


@dataclass(frozen=True)
class Job:
    """A command, and the files by which it is known to be done.

    Args:
      name: of its log and of its processor time; distinct among the jobs of an output directory.
      command: the program and its arguments. It continues what it had begun, and on SIGTERM it saves
        and leaves.
      results: the files that exist once it is complete.
    """

    name: str
    command: Sequence[str]
    results: Sequence[Path]

    @property
    def is_done(self) -> bool:
        """Whether all of its results are there."""
        return all(path.exists() for path in self.results)


def program_job(
    name: str, program: str, flags: Mapping[str, object], results: Sequence[Path]
) -> Job:
    """A job that runs a program of the project.

    Args:
      name, results: of the job.
      program: a file at the root, such as `run_finetuning.py`.
      flags: the program's flags and their values.
    """
    arguments = [f"--{flag}={value}" for flag, value in flags.items()]
    return Job(name, [sys.executable, str(ROOT / program), *arguments], results)


class JobRunner:
    """Runs jobs as processes, several at a time, in the order in which they are submitted.

    SIGTERM, SIGINT and SIGHUP stop all of them, and none is begun after that. An error that leaves the
    `with` statement, such as the one that `finish` raises for a job that failed, does so too. Only the
    main thread may use it, as it receives the signals.

    Args:
      output_dir: gets a file `logs/NAME.txt` for each job, and `processor_seconds.json`.
      jobs: processes at a time.
    """

    def __init__(self, output_dir: Path, jobs: int):
        self.output_dir = output_dir
        self._pool = ThreadPoolExecutor(jobs)
        self._futures: dict[str, Future[None]] = {}
        self._running: set[subprocess.Popen] = set()
        self._is_stopped = False
        self._lock = threading.RLock()  # a signal may come while the main thread holds it
        self._outer: dict[int, Any] = {}
        self._bar = tqdm(desc="jobs", unit="job", total=0)

    def __enter__(self) -> "JobRunner":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._outer[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._stop()
        self._pool.shutdown(cancel_futures=kind is not None)
        for number, handler in self._outer.items():
            signal.signal(number, handler)
        self._bar.close()

    def submit(self, job: Job) -> None:
        """Has a job run as soon as a process is free, unless it is done or was submitted before."""
        if job.name in self._futures or job.is_done:
            return
        self._futures[job.name] = self._pool.submit(self._run, job)
        self._bar.total = len(self._futures)
        self._futures[job.name].add_done_callback(lambda _: self._bar.update())

    def finish(self, jobs: Iterable[Job] | None = None) -> None:
        """Waits for jobs, or for all that were submitted, also if some of them fail.

        Raises:
          InputError: one of them failed or was stopped; the message names its log.
        """
        names = list(self._futures) if jobs is None else [job.name for job in jobs]
        waited = [self._futures[name] for name in names if name in self._futures]
        wait(waited)
        for future in waited:
            future.result()

    def _stop(self, number: int | None = None, frame: FrameType | None = None) -> None:
        self._is_stopped = True
        with self._lock:
            for process in self._running:
                os.kill(process.pid, signal.SIGTERM)

    def _run(self, job: Job) -> None:
        log = self.output_dir / "logs" / f"{job.name}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = self._start(job, output.fileno())
            # Seen but not collected: until it is, `_stop` cannot hit another process of its number.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self._running.discard(process)
            spent = processor_seconds(self.output_dir)
            spent[job.name] = spent.get(job.name, 0.0) + usage.ru_utime + usage.ru_stime
            write_json(self.output_dir / "processor_seconds.json", spent)
        if process.returncode and self._is_stopped:
            raise InputError(_STOPPED)
        if process.returncode:
            raise InputError(f"{job.name} ended with exit code {process.returncode}; see {log}")
        if missing := [str(path) for path in job.results if not path.exists()]:
            raise InputError(f"{job.name} left no {', '.join(missing)}; see {log}")

    def _start(self, job: Job, output: int) -> subprocess.Popen:
        with self._lock:
            if self._is_stopped:
                raise InputError(_STOPPED)
            process = subprocess.Popen(
                job.command,
                cwd=ROOT,
                env={**os.environ, **_ONE_CORE},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that Ctrl-C reaches it once, through `_stop`
            )
            self._running.add(process)
            return process


def processor_seconds(output_dir: Path) -> dict[str, float]:
    """What each job has needed so far, all of its processes together, by its name."""
    path = output_dir / "processor_seconds.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
