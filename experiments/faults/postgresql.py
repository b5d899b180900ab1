"""A PostgreSQL server of this machine, with a user who has to give a password."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

USER, PASSWORD = "searcher", "p@ss/w{o}rd%"
QUOTED_PASSWORD = "p%40ss%2Fw%7Bo%7Drd%25"
_INSTALLED = Path("/usr/lib/postgresql")  # where Debian has it, a folder for each version


def find_program(name: str) -> str | None:
    """A program of PostgreSQL, of the newest version that is installed."""
    found = sorted(_INSTALLED.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else shutil.which(name)


class Server:
    """A server that listens on this machine alone.

    Attributes:
      url: of its database.
    """

    def __init__(self, directory: Path, owner: str | None):
        self._directory, self._owner = directory, owner
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"postgresql://{USER}:{QUOTED_PASSWORD}@127.0.0.1:{port}/postgres"
        password = directory / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        if owner:
            shutil.chown(directory, owner)
            shutil.chown(password, owner)
        # fsync is for power cuts.
        self._options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._options += " -c unix_socket_directories=''"
        access = ("--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password}")
        self._run("initdb", "--no-sync", "--encoding=UTF8", "--locale=C", *access)

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        log = str(self._directory / "log")
        self._run("pg_ctl", "start", "--wait", "--log", log, "--options", self._options)

    def stop(self) -> None:
        """Stops it, whoever is connected."""
        self._run("pg_ctl", "stop", "--wait", "--mode", "immediate")

    def _run(self, name: str, *arguments: str) -> None:
        program = find_program(name)
        assert program is not None
        # PostgreSQL does not run as root. Its servers inherit what they are started with: no pipes.
        subprocess.run(
            [program, *arguments, "--pgdata", str(self._directory / "data")],
            user=self._owner,
            extra_groups=[] if self._owner else None,
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """A new server, that is gone afterwards."""
    owner = None
    if os.getuid() == 0:
        known = {entry.pw_name for entry in pwd.getpwall()}
        owner = "postgres" if "postgres" in known else "nobody"
    # Not pytest's directory: another user cannot look into that.
    with tempfile.TemporaryDirectory(prefix="postgresql-", ignore_cleanup_errors=True) as directory:
        server = Server(Path(directory), owner)
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):  # stopped by a test
                server.stop()
