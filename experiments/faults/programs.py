"""Runs the command-line programs as a user does: each in a process of its own."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 900.0  # seconds; a program that takes longer hangs, also on a busy machine
_POLL_SECONDS = 0.01
_ENVIRONMENT = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
      status: its exit code; the negative number of the signal that killed it.
      said: its standard error.
      printed: its standard output.
      seconds: how long it ran.
      hung: whether it was killed because it took longer than `PATIENCE`.
      signalled: whether it was sent a signal by us before it ended.
    """

    status: int
    said: str
    printed: str
    seconds: float
    hung: bool = False
    signalled: bool = False

    @property
    def lines(self) -> list[str]:
        """The lines of standard error, each as it was left: a progress bar writes over itself."""
        text = _CONTROL.sub("", self.said)
        found = (
            line.rsplit("\r", 1)[-1].strip() for line in text.replace("\r\n", "\n").split("\n")
        )
        return [line for line in found if line]

    @property
    def message(self) -> str:
        """The error that the program ended with, or else its last line."""
        errors = [line for line in self.lines if line.startswith("error: ")]
        return (errors or self.lines or [""])[-1]

    @property
    def is_refusal(self) -> bool:
        """Whether it ended with exit code 2 and one line that says why."""
        errors = [line for line in self.lines if line.startswith("error: ")]
        said_once = len(errors) == 1 and self.lines[-1] == errors[0]
        return self.status == 2 and said_once and not self.broke

    @property
    def broke(self) -> bool:
        """Whether it shows a fault of the program: a traceback, a hang, or a crash."""
        by_us = {-signal.SIGKILL, -signal.SIGTERM} if self.signalled else set()
        crashed = self.status < 0 and self.status not in by_us
        return self.hung or crashed or "Traceback" in self.said or self.status == 1


@dataclass(frozen=True)
class Command:
    """A command line.

    Attributes:
      arguments: the program and its arguments.
      environment: variables that are added to ours.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def command(program: str, flags: Mapping[str, object], *more: str) -> list[str]:
    """The command line of a program of the project.

    Args:
      program: a file at the root, such as `run_finetuning.py`, or a module, such as `lvbert_tf.plan`.
      flags: its flags and their values.
      *more: further arguments.
    """
    where = [str(ROOT / program)] if program.endswith(".py") else ["-m", program]
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    return [sys.executable, *where, *arguments, *more]


class Running:
    """A process that was started.

    Args:
      command: the command line; the bare arguments will do.
      limit: called in the process before the program starts, for example to limit what it may write.
    """

    def __init__(
        self,
        command: Command | Sequence[str],
        limit: Callable[[], None] | None = None,
        **options,
    ):
        self._out, self._err = (tempfile.TemporaryFile() for _ in range(2))  # noqa: SIM115
        if not isinstance(command, Command):
            command = Command(command)
        self.begun = time.monotonic()
        self._signalled = False
        self.process = subprocess.Popen(
            command.arguments,
            cwd=ROOT,
            env={**os.environ, **_ENVIRONMENT, **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            preexec_fn=limit,
            start_new_session=True,
            **options,
        )

    def said(self) -> str:
        """What it has written on standard error so far."""
        return _content(self._err)

    def wait(self, seconds: float) -> bool:
        """Waits at most so long; returns whether it has ended."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Waits until something has happened or the process has ended."""
        end = time.monotonic() + PATIENCE
        while not happened() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)

    def send(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.process.poll() is None:
            self._signalled = True
            self.process.send_signal(number)

    def end(self) -> Ending:
        """Waits for the end; a process that hangs is killed, with all that it has started."""
        hung = not self.wait(PATIENCE)
        if hung:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        seconds = time.monotonic() - self.begun
        said, printed = self.said(), _content(self._out)
        self._out.close()
        self._err.close()
        return Ending(self.process.returncode, said, printed, seconds, hung, self._signalled)


def run(command: Command | Sequence[str], **options) -> Ending:
    """Runs a command to its end; see `Running` for the options."""
    return Running(command, **options).end()


def _content(file) -> str:
    with open(f"/proc/self/fd/{file.fileno()}", "rb") as again:
        return again.read().decode(errors="replace")
