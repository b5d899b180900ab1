"""Locks in buckets, where no system frees what a killed process held.

A lease is an object that names its owner and the time. The owner writes it again every ten seconds.
Another process takes it over

- at once, if the owner ran on the same machine and is gone, or if the time is older than five minutes;
- else after it has seen the lease unchanged for a minute.

This is the best that all object stores allow, and not quite a lock: two processes that take over the
same lease within a second may both go on for up to ten seconds. Then the one whose name is not in it
stops.
"""

import contextlib
import json
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from lvbert_tf.io.notices import warn_once
from lvbert_tf.io.paths import BucketPath

REFRESH_SECONDS = 10.0
STALE_SECONDS = 60.0
_OLD_SECONDS = 300.0  # by the clocks of two machines, which may differ a little
_SETTLING_SECONDS = 1.0
_POLL_SECONDS = 1.0


class Held(Exception):
    """Another process holds the lock; the text says which, where that is known."""


@contextlib.contextmanager
def leased(path: BucketPath, seconds: float = 0.0) -> Iterator[None]:
    """Holds the lease of an object.

    Args:
      path: the object.
      seconds: how long to wait for an owner that lives; `math.inf` waits for ever. Whether it lives may
        take a minute to find out.

    Raises:
      Held: another process holds the lease.
      OSError: the store cannot be used.
    """
    ours = {
        "owner": uuid.uuid4().hex,
        "host": socket.gethostname(),
        "pid": os.getpid(),
    } | _process()
    _acquire(path, ours, seconds)
    released = threading.Event()
    keeper = threading.Thread(target=_refresh, args=(path, ours, released), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        released.set()
        keeper.join()
        with contextlib.suppress(OSError):  # then it grows stale
            if _owner(_read(path)) == ours["owner"]:
                path.unlink(missing_ok=True)


def _acquire(path: BucketPath, ours: dict[str, Any], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    seen, since = None, time.monotonic()
    while True:
        try:
            path.write_bytes(_content(ours), new=True)
            return
        except FileExistsError:
            found = _read(path)
        if found is None:
            continue
        lives = seen is not None and found != seen and _owner(found) == _owner(seen)
        if lives and time.monotonic() >= deadline:
            raise Held(f"process {found.get('pid')} on {found.get('host')}")
        if found != seen:
            seen, since = found, time.monotonic()
        if _is_gone(found) or time.monotonic() - since >= STALE_SECONDS:
            path.write_bytes(_content(ours))
            time.sleep(_SETTLING_SECONDS)  # of two that take it over at once, one writes last
            if _owner(_read(path)) == ours["owner"]:
                return
            continue
        time.sleep(_POLL_SECONDS)


def _refresh(path: BucketPath, ours: dict[str, Any], released: threading.Event) -> None:
    while not released.wait(REFRESH_SECONDS):
        try:
            if _owner(_read(path)) not in (None, ours["owner"]):
                warn_once("robbed", f"{path} was taken over by another process, so this one stops")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            path.write_bytes(_content(ours))
        except OSError as error:
            warn_once("refreshing", f"{error}; trying again every {REFRESH_SECONDS:g} seconds")


def _read(path: BucketPath) -> dict[str, Any] | None:
    """What a lease says; None if there is none. One that is damaged says nothing."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _owner(lease: dict[str, Any] | None) -> Any:
    return None if lease is None else lease.get("owner", "unknown")


def _content(lease: dict[str, Any]) -> bytes:
    return json.dumps({**lease, "time": time.time()}).encode()


def _process() -> dict[str, Any]:
    """What tells this process from others of the same number: its machine, and when it began."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    machine = f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    return {"machine": machine, "started": _started(os.getpid())}


def _started(pid: int) -> int:
    """When a process began, in ticks since the machine started, which no clock that is set changes."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def _is_gone(lease: dict[str, Any]) -> bool:
    """Whether the owner of a lease is known to have ended."""
    try:
        if time.time() - float(lease["time"]) > _OLD_SECONDS:
            return True
        if lease["machine"] != _process()["machine"]:
            return False
        return _started(int(lease["pid"])) != lease["started"]
    except (FileNotFoundError, ProcessLookupError):
        return True
    except (KeyError, TypeError, ValueError):
        return False
