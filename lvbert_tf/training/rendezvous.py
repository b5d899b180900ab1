"""Where the workers of TF_CONFIG meet before TensorFlow connects them.

TensorFlow waits for a missing worker for an hour or longer, in a call that cannot be interrupted, and
does not name it. So the workers wait for each other here first: each connects to the first one at its
address, and stays connected until all have come.
"""

import contextlib
import hashlib
import json
import socket
import time
from collections.abc import Mapping
from typing import Any

from lvbert_tf.errors import InputError, reason

_SECONDS_BETWEEN_TRIES = 0.2
_SECONDS_TO_ANSWER = 5.0
_ALL_HERE = b"all here\n"


def meet(config: Mapping[str, Any], seconds: float) -> None:
    """Waits until all workers of a cluster have called this, whatever their order.

    A worker that ends meanwhile counts as missing until it is started again. The first worker leaves
    its port free for TensorFlow. While a process of an earlier run still holds the port, all wait for
    its end.

    Args:
      config: the value of TF_CONFIG.
      seconds: how long to wait.

    Raises:
      InputError: not all have come in time. The message names those that are missing.
    """
    addresses = [*config["cluster"].get("chief", ()), *config["cluster"].get("worker", ())]
    index = _index_of(config)
    deadline = time.monotonic() + seconds
    # Workers of another cluster that was given the same port are not of ours.
    identity = hashlib.sha256(json.dumps(addresses).encode()).hexdigest()
    if index:
        missing = [] if _report_to_first(addresses[0], identity, index, deadline) else [0]
    else:
        missing = _wait_for_others(addresses, identity, deadline)
    if missing:
        names = ", ".join(f"worker {worker} ({addresses[worker]})" for worker in missing)
        raise InputError(
            f"not all workers have started within {seconds:g} seconds (worker_timeout); missing: {names}"
        )


def _index_of(config: Mapping[str, Any]) -> int:
    task = config["task"]
    before = len(config["cluster"].get("chief", ())) if task["type"] == "worker" else 0
    return before + task["index"]


def _report_to_first(address: str, identity: str, index: int, deadline: float) -> bool:
    """Returns whether the first worker has said in time that all are here."""
    host, port = _split(address)
    while (left := deadline - time.monotonic()) > 0:
        try:
            with socket.create_connection((host, port), timeout=left) as connection:
                connection.sendall(f"{identity} {index}\n".encode())
                connection.settimeout(max(deadline - time.monotonic(), 0.01))
                # TensorFlow's server of an earlier run would answer something else.
                if connection.makefile("rb").readline(len(_ALL_HERE)) == _ALL_HERE:
                    return True
        except OSError:  # nobody listens yet, or the first worker has just ended
            pass
        time.sleep(_SECONDS_BETWEEN_TRIES)
    return False


def _wait_for_others(addresses: list[str], identity: str, deadline: float) -> list[int]:
    """Returns the workers that have not come in time.

    Raises:
      InputError: the port could not be opened until then.
    """
    here: dict[int, socket.socket] = {}
    failure: OSError | None = None
    try:
        while len(here) < len(addresses) - 1 and (left := deadline - time.monotonic()) > 0:
            try:
                with _server(_split(addresses[0])[1]) as server:
                    failure = None
                    _accept(server, here, identity, len(addresses), deadline)
            except OSError as error:  # the port may still be in use
                failure = error
                time.sleep(min(left, _SECONDS_BETWEEN_TRIES))
        if failure:
            raise InputError(f"cannot listen on {addresses[0]}: {reason(failure)}") from failure
        missing = [worker for worker in range(1, len(addresses)) if worker not in here]
        for connection in here.values() if not missing else ():
            connection.settimeout(_SECONDS_TO_ANSWER)
            with contextlib.suppress(OSError):  # it has just ended; TensorFlow will notice
                connection.sendall(_ALL_HERE)
                # The side that closes first keeps the port for a while; that must not be this one.
                connection.recv(1)
        return missing
    finally:
        for connection in here.values():
            connection.close()


def _server(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _accept(
    server: socket.socket,
    here: dict[int, socket.socket],
    identity: str,
    count: int,
    deadline: float,
) -> None:
    """Adds the connections of workers to `here` until all have come, or the time is over."""
    server.settimeout(_SECONDS_BETWEEN_TRIES)
    while len(here) < count - 1 and time.monotonic() < deadline:
        try:
            connection, _ = server.accept()
        except TimeoutError:
            pass
        else:
            worker = _greeting(connection, identity, count)
            if worker is None:
                connection.close()
            else:
                connection.setblocking(False)
                here[worker] = connection
        for worker in [worker for worker, connection in here.items() if _is_closed(connection)]:
            here.pop(worker).close()


def _greeting(connection: socket.socket, identity: str, count: int) -> int | None:
    """The number of the worker that has connected; None for a stranger."""
    connection.settimeout(_SECONDS_TO_ANSWER)
    try:
        line = connection.makefile("rb").readline(len(identity) + 20).decode(errors="replace")
    except OSError:
        return None
    known = {f"{identity} {worker}\n": worker for worker in range(1, count)}
    return known.get(line)


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
