"""Model servers as processes: those that are installed, started on a SavedModel and stopped again."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from lvbert_tf.serving.mlflow_model import write_mlflow_model

MODEL = "tiny"
_PATIENCE = 600  # seconds until a server answers, on a busy machine
_GRACE = 30  # seconds that it has to stop


@contextlib.contextmanager
def serve_with_mlflow(models: Path, folder: Path) -> Iterator[dict[str, str]]:
    """Serves version 1 of `models`/tiny with `mlflow models serve`.

    Yields:
        Addresses by the client's name of the API.
    """
    write_mlflow_model(folder / "mlflow_model", models / MODEL / "1")
    address = free_address()
    host, port = address.split(":")
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    command += ["--model-uri", str(folder / "mlflow_model"), "--host", host, "--port", port]
    with running(command, f"http://{address}/health", folder / "mlflow.log"):
        yield {"mlflow": address}


@contextlib.contextmanager
def serve_with_tensorflow_serving(models: Path, folder: Path) -> Iterator[dict[str, str]]:
    """Serves `models`/tiny with `tensorflow_model_server`; see `serve_with_mlflow`."""
    rest, grpc = free_address(), free_address()
    command = ["tensorflow_model_server", f"--model_name={MODEL}"]
    command += [f"--model_base_path={models / MODEL}"]
    command += [f"--rest_api_port={rest.split(':')[1]}", f"--port={grpc.split(':')[1]}"]
    with running(command, f"http://{rest}/v1/models/{MODEL}/metadata", folder / "serving.log"):
        yield {"rest": rest, "grpc": grpc}


SERVERS = {"mlflow": serve_with_mlflow}
if shutil.which("tensorflow_model_server"):
    SERVERS["tensorflow_serving"] = serve_with_tensorflow_serving


def free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def running(command: list[str], health: str, log: Path) -> Iterator[None]:
    """Runs a server from when `health` answers with 200 to the end of the block."""
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # has uvicorn
    }
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env=environment, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _answers(health):
            assert process.poll() is None, f"{command} ended:\n{log.read_text()}"
            assert time.monotonic() < deadline, f"{command} is not ready:\n{log.read_text()}"
            time.sleep(0.2)
        yield
    finally:
        _stop(process)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status == 200
    except OSError:
        return False


def _stop(process: subprocess.Popen) -> None:
    """Ends the server and the processes that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
