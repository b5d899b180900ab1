"""A database server for the tests that need one."""

import pytest

from experiments.faults.postgresql import find_program, running_server


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL server; a test that stops it starts it again."""
    if find_program("initdb") is None:
        pytest.skip("PostgreSQL is not installed; .ci/run installs it")
    with running_server() as running:
        yield running
