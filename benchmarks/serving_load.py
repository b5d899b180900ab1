"""Asks a model server from many clients at once, and says how long answers take, and what fails.

    python -m examples.model_server --models SERVING --http_port 8080 &
    python -m benchmarks.serving_load --address 127.0.0.1:8080 --model sst --pid $!

Works with every server of REST v1: KServe's and TensorFlow Serving. Each client keeps a connection and
asks the next request when the last one is answered. A request is one to four sentences of the State of
the Union addresses, of any length; the model must be a classifier or a tagger of single texts. --pid
gives the server's memory, with that of its children, at the start, in the middle and at the end.
"""

import http.client
import json
import threading
import time

import numpy as np
import psutil
from absl import flags
from tqdm import tqdm

from benchmarks.machine import processor
from benchmarks.rows import address_rows
from lvbert_tf import cli
from lvbert_tf.errors import InputError, reason

FLAGS = flags.FLAGS
flags.DEFINE_string("address", "127.0.0.1:8080", "host:port of the server.")
flags.DEFINE_string("model", None, "The name of the model.", required=True)
flags.DEFINE_integer("clients", 50, "How many ask at once.", lower_bound=1)
flags.DEFINE_integer("seconds", 60, "How long they ask.", lower_bound=3)
flags.DEFINE_integer("pid", None, "The server's process, to watch its memory.")
_MOST_SENTENCES = 4
_PATIENCE = 60  # seconds for an answer


class Client(threading.Thread):
    """Asks request after request until the time is over."""

    def __init__(self, seed: int, sentences: list[str], end: float):
        super().__init__(daemon=True)
        self._random, self._sentences, self._end = np.random.default_rng(seed), sentences, end
        self.seconds: list[float] = []
        self.errors: list[str] = []
        self.texts = 0

    def run(self) -> None:
        connection = http.client.HTTPConnection(FLAGS.address, timeout=_PATIENCE)
        while time.monotonic() < self._end:
            count = self._random.integers(1, _MOST_SENTENCES, endpoint=True)
            texts = [
                self._sentences[place]
                for place in self._random.integers(len(self._sentences), size=count)
            ]
            start = time.perf_counter()
            try:
                body = json.dumps({"instances": [{"text": text} for text in texts]})
                headers = {"Content-Type": "application/json"}
                connection.request("POST", f"/v1/models/{FLAGS.model}:predict", body, headers)
                response = connection.getresponse()
                answer = json.loads(response.read())
                if response.status != 200 or len(answer["predictions"]) != count:
                    raise ValueError(f"{response.status}: {answer}")
            except (OSError, http.client.HTTPException, LookupError, ValueError) as error:
                self.errors.append(f"{type(error).__name__}: {error}")
                connection.close()
            else:
                self.seconds.append(time.perf_counter() - start)
                self.texts += int(count)


def memory() -> float:
    """MiB of the server and its children; nan if it is not watched."""
    if FLAGS.pid is None:
        return float("nan")
    server = psutil.Process(FLAGS.pid)
    parts = [server, *server.children(recursive=True)]
    return sum(part.memory_info().rss for part in parts) / 2**20


def main() -> None:
    sentences = [row.split("\t")[0] for row in address_rows()]
    try:
        http.client.HTTPConnection(FLAGS.address, timeout=_PATIENCE).connect()
        memory()
    except (OSError, psutil.Error) as error:
        raise InputError(f"--address {FLAGS.address}: {reason(error)}") from error
    end = time.monotonic() + FLAGS.seconds
    clients = [Client(seed, sentences, end) for seed in range(FLAGS.clients)]
    for client in clients:
        client.start()
    watched = []
    for _ in tqdm(range(FLAGS.seconds), unit="s"):
        time.sleep(1)
        watched.append(memory())
    for client in clients:
        client.join()
    milliseconds = 1e3 * np.concatenate([client.seconds for client in clients])
    errors = [error for client in clients for error in client.errors]
    if not milliseconds.size:
        raise InputError(f"{FLAGS.address} answered nothing: {errors[0]}")
    p50, p99 = np.percentile(milliseconds, [50, 99])
    texts = sum(client.texts for client in clients)
    # What the first second holds is not yet what the server needs under load.
    first, middle, last = (watched[place] for place in (2, len(watched) // 2, -1))
    print(
        f"{processor()}; {FLAGS.clients} clients, {FLAGS.seconds} seconds\n"
        f"requests {milliseconds.size}, errors {len(errors)}{': ' + errors[0] if errors else ''}\n"
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, most {milliseconds.max():.0f} ms\n"
        f"{milliseconds.size / FLAGS.seconds:.0f} requests, {texts / FLAGS.seconds:.0f} texts a second\n"
        f"memory {first:.0f} MiB after 3 seconds, {middle:.0f} in the middle, {last:.0f} at the end"
    )


if __name__ == "__main__":
    cli.run(main)
