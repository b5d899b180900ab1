import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.training import rendezvous


@pytest.fixture
def addresses():
    """Those of three workers; only the first one is connected to."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return [f"127.0.0.1:{free.getsockname()[1]}", "b:1", "c:1"]


def meet(addresses, index, seconds):
    task = {"type": "worker", "index": index - 1} if index else {"type": "chief", "index": 0}
    cluster = {"chief": addresses[:1], "worker": addresses[1:]}
    rendezvous.meet({"cluster": cluster, "task": task}, seconds)
    return index


def connect(address, seconds=30):
    """Connects to a worker as soon as it listens."""
    host, port = address.split(":")
    deadline = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection((host, int(port)))
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_all_wait_for_the_last_and_the_port_is_free_afterwards(addresses):
    port = int(addresses[0].split(":")[1])
    with ThreadPoolExecutor(5) as pool:
        early = pool.submit(meet, addresses, 1, 30)
        time.sleep(0.3)
        assert not early.done()
        # An earlier run still holds the port, and answers something else.
        with socket.create_server(("127.0.0.1", port)) as old:
            old.settimeout(30)
            first = pool.submit(meet, addresses, 0, 30)
            old.accept()[0].sendall(b"something else\n")
        with pytest.raises(InputError, match="missing: worker 0"):  # of another cluster
            pool.submit(meet, [addresses[0], "b:2", "c:2"], 2, 1).result(10)
        assert not early.done() and not first.done()
        assert meet(addresses, 2, 30) == 2
        assert early.result(10) == 1 and first.result(10) == 0
    socket.create_server(("127.0.0.1", port)).close()


def test_the_missing_are_named(addresses):
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(meet, addresses, 0, 3)
        with connect(addresses[0]) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n")
            with pytest.raises(InputError, match=r"4 seconds .*; missing: worker 0 \(127"):
                meet(addresses, 2, 4)  # longer than the first one waits
        with pytest.raises(InputError, match=r"missing: worker 1 \(b:1\)$"):
            first.result(10)


def test_a_port_of_another_program_is_named(addresses):
    with (
        socket.create_server(("", int(addresses[0].split(":")[1]))),
        pytest.raises(InputError, match=r"cannot listen on 127.0.0.1:.*: Address already in use"),
    ):
        meet(addresses, 0, 1)
