import json
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io import leases
from lvbert_tf.io.leases import Held, leased
from lvbert_tf.io.locks import changing, holding, training_in

HOLD = """
import sys, time
from lvbert_tf.io.locks import training_in
from lvbert_tf.io.paths import parse_path
with training_in(parse_path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    """Tests cannot wait a minute; the processes that they start keep the true times."""
    for name, seconds in (
        ("REFRESH_SECONDS", 0.1),
        ("STALE_SECONDS", 1.0),
        ("_SETTLING_SECONDS", 0.1),
        ("_POLL_SECONDS", 0.05),
    ):
        monkeypatch.setattr(leases, name, seconds)


def content(lease):
    return json.loads(lease.read_bytes())


def stranger(lease, **values):
    """Leaves the lease of a process on another machine."""
    lease.write_text(
        json.dumps(
            {
                "owner": "another",
                "host": "far",
                "pid": 7,
                "machine": "x",
                "time": time.time(),
                **values,
            }
        )
    )


def test_the_owner_is_named_and_the_lease_goes_with_it(bucket):
    lease = bucket / "m" / ".lock"
    with holding(lease):
        found = content(lease)
        assert found["host"] == socket.gethostname() and abs(found["time"] - time.time()) < 60
        time.sleep(0.4)
        assert content(lease)["time"] > found["time"] and content(lease)["owner"] == found["owner"]
    assert not lease.exists()


def test_a_living_owner_keeps_others_out(bucket):
    with (
        training_in(bucket / "m"),
        pytest.raises(
            InputError, match=r"another process is training in gs://bucket/m \(process \d+ on"
        ),
        training_in(bucket / "m"),
    ):
        pass
    with training_in(bucket / "m"):
        pass


def test_of_two_that_change_an_object_one_waits(bucket, monkeypatch):
    monkeypatch.setattr(leases, "STALE_SECONDS", 30.0)  # a busy machine is no dead owner
    path = bucket / "count"

    def count():
        with changing(path):
            before = int(path.read_text()) if path.exists() else 0
            time.sleep(0.05)
            path.write_text(str(before + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() == "4"


def test_what_a_killed_process_of_this_machine_held_is_free_at_once(bucket, monkeypatch):
    monkeypatch.setattr(leases, "STALE_SECONDS", 1000.0)
    command = [sys.executable, "-c", HOLD, str(bucket / "m")]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "ready\n"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert (bucket / "m" / ".lock").exists()
    start = time.monotonic()
    with training_in(bucket / "m"):
        assert time.monotonic() - start < 5


def test_what_another_machine_has_left_is_free_when_it_has_not_changed_for_long(bucket):
    lease = bucket / ".lock"
    for values, least, most in (({}, 1.0, 5.0), ({"time": time.time() - 1000}, 0.0, 0.9)):
        stranger(lease, **values)
        start = time.monotonic()
        with holding(lease):
            assert least <= time.monotonic() - start < most
            assert content(lease)["owner"] != "another"


def test_a_damaged_lease_is_taken_over_like_a_stale_one(bucket):
    for damaged in (b"", b"\xff", b"[]", b'{"pid": "x", "machine": 3, "time": "now"}'):
        (bucket / ".lock").write_bytes(damaged)
        with holding(bucket / ".lock"):
            pass


def test_a_slow_owner_on_another_machine_is_not_robbed(bucket):
    lease, over = bucket / ".lock", threading.Event()
    stranger(lease)

    def refresh():
        while not over.wait(0.5):
            stranger(lease)

    keeper = threading.Thread(target=refresh)
    keeper.start()
    try:
        with pytest.raises(Held, match="process 7 on far"), leased(lease):
            pytest.fail("it has an owner")
    finally:
        over.set()
        keeper.join()


def test_who_was_robbed_stops(bucket, monkeypatch):
    told = threading.Event()
    handler = signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        with leased(bucket / ".lock"):
            stranger(bucket / ".lock")
            assert told.wait(5)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert content(bucket / ".lock")["owner"] == "another"
