"""Prints what the tests cost: pytest's `-p tests.costs`.

Processor time is that of the worker and of the processes that its tests started and waited for; unlike
the wall clock it hardly depends on what else the machine does. What a fixture of a module or of the
session costs is counted for the first test that asks for it.
"""

import os
import resource
import time
from collections import defaultdict
from pathlib import Path

import pytest

SHOWN = 20
MEGABYTE = 2**20


def processor_seconds() -> float:
    """User and system time of this process and of its children that ended."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def resident_megabytes() -> float:
    """The memory that this process holds now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


class Costs:
    """Measures in each worker; gathers and prints where the tests were started."""

    def __init__(self):
        self.tests = []  # (node id, processor seconds, wall seconds, megabytes grown)
        self.workers = {}  # name -> peak megabytes

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        """Measures a test with its set-up and tear-down."""
        before = processor_seconds(), time.perf_counter(), resident_megabytes()
        result = yield
        after = processor_seconds(), time.perf_counter(), resident_megabytes()
        self.tests.append((item.nodeid, *(b - a for a, b in zip(before, after, strict=True))))
        return result

    def pytest_sessionfinish(self, session):
        """A worker sends what it measured to the process that started it."""
        if session.config.getoption("numprocesses", None):
            return  # this process only hands the tests out
        worker = getattr(session.config, "workerinput", {}).get("workerid", "main")
        self.workers[worker] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["costs"] = [self.tests, self.workers]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        """Gathers what a worker sent, if it did not crash."""
        tests, workers = getattr(node, "workeroutput", {}).get("costs", ([], {}))
        self.tests += tests
        self.workers |= workers

    def pytest_terminal_summary(self, terminalreporter):
        """Prints the files and the tests that cost most, and each worker's peak of memory."""
        files = defaultdict(lambda: (0.0, 0.0, 0.0))
        for test, *costs in self.tests:
            name = test.partition("::")[0]
            files[name] = tuple(a + b for a, b in zip(files[name], costs, strict=True))
        terminalreporter.section("what the tests cost")
        self._table(terminalreporter, "file", [(name, *costs) for name, costs in files.items()])
        self._table(terminalreporter, "test", self.tests)
        for worker, peak in sorted(self.workers.items()):
            terminalreporter.write_line(f"memory of worker {worker}: at most {peak:,.0f} MB")
        minutes = processor_seconds() / 60
        terminalreporter.write_line(f"processor time of all workers: {minutes:.1f} minutes")

    @staticmethod
    def _table(terminalreporter, title, rows):
        terminalreporter.write_line(f"{'processor s':>12}{'wall s':>9}{'MB grown':>10}  {title}")
        for name, processor, wall, grown in sorted(rows, key=lambda row: -row[1])[:SHOWN]:
            terminalreporter.write_line(f"{processor:12.1f}{wall:9.1f}{grown:10.0f}  {name}")


def pytest_configure(config):
    """Registers the measurement."""
    config.pluginmanager.register(Costs(), "costs")
