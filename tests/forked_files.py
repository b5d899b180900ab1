"""Runs each file of tests in a process of its own, some at a time: pytest's `-p tests.forked_files`.

TensorFlow gives memory back late or never, so a process that runs many tests grows with each. Here one
process imports all tests, and TensorFlow with them, but runs none. For each file it forks itself; the
fork runs the file's tests, sends back what pytest would print, and ends. So nothing is imported twice,
the memory of a file is gone with its process, and a crash costs one test. What has `scope="session"`
lives for a file.

TensorFlow may be forked after its import, but not after its first operation: that starts threads, which
a forked process lacks. So no file may compute while it is imported.
"""

import multiprocessing
import os
import signal
import sys
from itertools import groupby
from multiprocessing.connection import Connection, wait

import pytest

_FORK = multiprocessing.get_context("fork")


class Sender:
    """Stands for the terminal in a forked process: sends reports to the process that forked it."""

    def __init__(self, connection: Connection, config: pytest.Config):
        self._connection, self._config = connection, config

    def pytest_runtest_logstart(self, nodeid, location):
        """Says which test begins, so that a crash has a name."""
        self._connection.send(("start", (nodeid, location)))

    def pytest_runtest_logreport(self, report):
        """Sends how a test's set-up, call or tear-down ended."""
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._connection.send(("report", data))


class File:
    """A process that runs tests of one file.

    Attributes:
      items: those of its tests that have not ended.
      connection: what it sends.
    """

    def __init__(self, items: list[pytest.Item]):
        self.items = items
        self.connection, sending = _FORK.Pipe(duplex=False)
        self._process = _FORK.Process(target=self._run, args=(sending,))
        self._process.start()
        sending.close()

    def _run(self, sending: Connection):
        config = self.items[0].config
        plugins = config.pluginmanager
        plugins.unregister(name="terminalreporter")
        plugins.register(Sender(sending, config))
        capture = plugins.getplugin(
            "capturemanager"
        )  # the file that it writes to is for one process
        capture.stop_global_capturing()
        capture.start_global_capturing()
        for item, nextitem in zip(self.items, [*self.items[1:], None], strict=True):
            config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        sending.close()
        os._exit(0)  # the session goes on elsewhere; nothing of it may be finished here

    def receive(self) -> bool:
        """Passes on what the process sent; False when it has ended.

        A test in which the process died has failed.
        """
        hook = self.items[0].ihook if self.items else None
        try:
            kind, content = self.connection.recv()
        except EOFError:
            self._process.join()
            if self.items:
                item = self.items.pop(0)
                item.ihook.pytest_runtest_logreport(report=self._crash(item))
            return False
        if kind == "start":
            hook.pytest_runtest_logstart(nodeid=content[0], location=content[1])
            return True
        item = self.items[0]
        report = hook.pytest_report_from_serializable(config=item.config, data=content)
        hook.pytest_runtest_logreport(report=report)
        if report.when == "teardown":
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
            self.items.pop(0)
        return True

    def _crash(self, item: pytest.Item) -> pytest.TestReport:
        code = self._process.exitcode
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        message = f"the process of this file died: {cause}"
        return pytest.TestReport(item.nodeid, item.location, {}, "failed", message, "call")

    def kill(self):
        """Ends it now."""
        self._process.kill()
        self._process.join()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Runs the files in their order, as many at a time as there are processes."""
    if session.testsfailed or session.config.option.collectonly:
        return None
    if _has_computed():
        raise pytest.UsageError(
            "TensorFlow computed while a file was imported; do that in a fixture"
        )
    waiting = [list(items) for _, items in groupby(session.items, key=lambda item: item.path)]
    running: list[File] = []
    try:
        while waiting or running:
            while waiting and len(running) < session.config.option.processes:
                running.append(File(waiting.pop(0)))
            ready = wait([file.connection for file in running])
            for file in [file for file in running if file.connection in ready]:
                if not file.receive():
                    running.remove(file)
                    if file.items:  # those after a crash
                        waiting.insert(0, file.items)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
    finally:
        for file in running:
            file.kill()
    return True


def _has_computed() -> bool:
    context = sys.modules.get("tensorflow.python.eager.context")
    return (
        context is not None
        and context.context_safe() is not None
        and context.context()._initialized
    )


def pytest_addoption(parser):
    """How many files run at a time."""
    parser.addoption("--processes", type=int, default=2, help="how many files run at a time")
