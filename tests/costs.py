"""Prints what the tests cost: pytest's `-p tests.costs`.

Processor time is that of the process that runs the test ("own s") and of those that the test started
and waited for ("children s"); unlike the wall clock it hardly depends on what else the machine does.
"MB kept" is by how much the process's memory grew from before a test until after its fixtures were torn
down, and "MB peak" the most that it held during it. What a fixture of a module or of the session costs
is counted for the first test that asks for it.
"""

import os
import resource
import time
from collections import defaultdict
from pathlib import Path

import pytest

MEGABYTE = 2**20


def processor_seconds(whose: int) -> float:
    """User and system time: `resource.RUSAGE_SELF`, or `RUSAGE_CHILDREN` for those that ended."""
    usage = resource.getrusage(whose)
    return usage.ru_utime + usage.ru_stime


def resident_megabytes() -> float:
    """The memory that this process holds now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def peak_megabytes() -> float:
    """The most memory that this process held since `forget_peak` (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def forget_peak():
    """Lets `peak_megabytes` begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def spent() -> tuple[float, ...]:
    """What grows with a test: own and children's processor time, wall time, memory held."""
    return (
        processor_seconds(resource.RUSAGE_SELF),
        processor_seconds(resource.RUSAGE_CHILDREN),
        time.perf_counter(),
        resident_megabytes(),
    )


class Costs:
    """Measures where a test runs; prints where the reports arrive.

    The numbers travel with the report of the test's tear-down.
    """

    def __init__(self, shown):
        self.shown = shown
        self.before = ()
        # (node id, own processor seconds, children's, wall seconds, megabytes kept, peak megabytes)
        self.tests = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self):
        """Begins to measure a test."""
        forget_peak()
        self.before = spent()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call):
        """Ends measuring after the tear-down."""
        report = yield
        if call.when == "teardown":
            costs = (after - before for before, after in zip(self.before, spent(), strict=True))
            report.user_properties.append(("costs", [*costs, peak_megabytes()]))
        return report

    def pytest_runtest_logreport(self, report):
        """Gathers."""
        self.tests += [
            (report.nodeid, *value) for name, value in report.user_properties if name == "costs"
        ]

    def pytest_terminal_summary(self, terminalreporter):
        """Prints the files and the tests that cost most, and the most memory of a process."""
        files = defaultdict(lambda: (0.0,) * 5)
        for test, *costs, peak in self.tests:
            name = test.partition("::")[0]
            *sums, highest = files[name]
            files[name] = *map(sum, zip(sums, costs, strict=True)), max(highest, peak)
        terminalreporter.section("what the tests cost")
        self._table(terminalreporter, "file", [(name, *costs) for name, costs in files.items()])
        self._table(terminalreporter, "test", self.tests)
        largest = max((peak for *_, peak in self.tests), default=0.0)
        terminalreporter.write_line(
            f"memory of a process that runs tests: at most {largest:,.0f} MB"
        )
        usages = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        minutes = sum(map(processor_seconds, usages)) / 60
        terminalreporter.write_line(f"processor time of all processes: {minutes:.1f} minutes")

    def _table(self, terminalreporter, title, rows):
        heads = ("own s", "children s", "wall s", "MB kept", "MB peak")
        terminalreporter.write_line("".join(f"{head:>11}" for head in heads) + f"  {title}")
        for name, *costs in sorted(rows, key=lambda row: -(row[1] + row[2]))[: self.shown]:
            own, children, wall, kept, peak = costs
            terminalreporter.write_line(
                f"{own:11.1f}{children:11.1f}{wall:11.1f}{kept:11.0f}{peak:11.0f}  {name}"
            )


def pytest_addoption(parser):
    """How many files and tests are listed."""
    parser.addoption("--costs-shown", type=int, default=20, help="how many files and tests to list")


def pytest_configure(config):
    """Registers the measurement."""
    config.pluginmanager.register(Costs(config.getoption("costs_shown")), "costs")
