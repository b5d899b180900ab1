"""One implementation at one setting: a process of its own, whose last line of output is JSON."""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from lvbert_tf.errors import InputError, reason

ROOT = Path(__file__).resolve().parents[1]


def driver(module: str, *arguments: str, python: str = sys.executable) -> list[str]:
    """The command that starts a module of this folder.

    Args:
      module: its name below `benchmarks`, such as `baselines.huggingface_step`.
      *arguments: its flags.
      python: the interpreter of the module's environment, as a command or a path.
    """
    if os.path.dirname(python):  # a path, which must not depend on where the process starts
        python = os.path.abspath(python)
    return [python, "-m", f"benchmarks.{module}", *arguments]


def timed(command: list[str], cores: int | None = None) -> tuple[float, float]:
    """Runs a command at the root of the repository: seconds by the clock, and processor seconds.

    Args:
      command: program and arguments.
      cores: the first so many cores are all that it may use; None means all.

    Raises:
      InputError: it cannot be started, or failed; the message has the last line it wrote.
    """
    limit = [] if cores is None else ["taskset", "-c", f"0-{cores - 1}"]
    start = time.perf_counter()
    try:
        process = subprocess.Popen(
            [*limit, *command],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    except OSError as error:
        raise InputError(f"{command[0]}: {reason(error)}") from error
    said = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        last = (said.strip().splitlines() or ["no output"])[-1]
        raise InputError(f"{' '.join(command[:3])} failed: {last}")
    return seconds, usage.ru_utime + usage.ru_stime


def spread(values: list[float], digits: int) -> str:
    """The median over rounds, and the least and the greatest if there are several."""
    text = f"{statistics.median(values):.{digits}f}"
    if len(values) == 1:
        return text
    return f"{text} ({min(values):.{digits}f} to {max(values):.{digits}f})"


@dataclass
class Contestant:
    """One implementation at one setting, and what its runs printed.

    Args:
      name: what the tables call the implementation.
      layers: what the tables call the layer string.
      precision: of the arithmetic.
      command: what `driver` returned.
      results: the JSON object of each run so far.
      python_path: a directory whose modules the process may import beside those of the project.
    """

    name: str
    layers: str
    precision: str
    command: list[str]
    results: list[dict] = field(default_factory=list)
    python_path: str | None = None

    def run(self, common: list[str]) -> None:
        """Runs it once more.

        Args:
          common: arguments of all contestants.

        Raises:
          InputError: it cannot be started, or failed; the message has the last line it wrote.
        """
        environment = dict(os.environ)
        if self.python_path is not None:
            environment["PYTHONPATH"] = os.path.abspath(self.python_path)
        try:
            process = subprocess.run(
                [*self.command, *common], cwd=ROOT, env=environment, capture_output=True, text=True
            )
        except OSError as error:
            raise InputError(f"{self.command[0]}: {reason(error)}") from error
        lines = process.stdout.strip().splitlines()
        if process.returncode or not lines:
            last = (process.stderr.strip().splitlines() or ["no output"])[-1]
            raise InputError(f"{' '.join(self.command[:3])} failed: {last}")
        self.results.append(json.loads(lines[-1]))

    @property
    def seconds(self) -> float:
        """The median over the steps of all rounds."""
        return statistics.median(s for result in self.results for s in result["all"])

    @property
    def round_seconds(self) -> list[float]:
        """The median over the steps of each round."""
        return [statistics.median(result["all"]) for result in self.results]
