"""KServe's model server answers with exported models, as graphs do, and takes over new versions.

`make test-server` runs these by the file's name, which pytest does not take for a test's otherwise. The
server runs in an environment of its own, with copies of two files of the project and no TensorFlow.
"""

import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from model_servers import free_address, running
from servable_models import make_models
from texts_requests import PAIRS, QUESTIONS, TEXTS, answers_of

import lvbert_tf.serving.predictor
from examples.serving_client import ServingError, predict_rest
from lvbert_tf.serving.servable_model import servable_task
from lvbert_tf.serving.versions import export

ROOT = Path(__file__).parents[2]
VENV = Path(sys.executable).parents[1]
PYTHON = VENV / "server" / "bin" / "python"
COLUMNS = {
    "classifier": {"text": TEXTS},
    "regressor": dict(zip(("text", "text_pair"), zip(*PAIRS, strict=True), strict=True)),
    "tagger": {"text": TEXTS},
    "spans_or_none": dict(zip(("question", "context"), zip(*QUESTIONS, strict=True), strict=True)),
}


def rows_of(name):
    columns = list(COLUMNS[name].values())
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


@pytest.fixture(scope="module")
def serving(served, tmp_path_factory):
    """The folder SERVING, with version 1 of several models."""
    folder = tmp_path_factory.mktemp("serving")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(VENV / "engines"))
        for name in COLUMNS:
            export({"openvino": served[name]}, folder / name, "MIT")
        yield folder


@pytest.fixture(scope="module")
def server(serving, tmp_path_factory):
    """The addresses (REST, gRPC) of a server that runs from copies of its files."""
    folder = tmp_path_factory.mktemp("copies")
    shutil.copy(ROOT / "examples" / "model_server.py", folder)
    shutil.copytree(Path(lvbert_tf.serving.predictor.__file__).parent, folder / "predictor")
    rest, grpc = free_address(), free_address()
    command = [str(PYTHON), str(folder / "model_server.py"), "--models", str(serving)]
    command += ["--http_port", rest.split(":")[1], "--grpc_port", grpc.split(":")[1]]
    with running(command, f"http://{rest}/v2/health/ready", folder / "server.log"):
        yield rest, grpc


def assert_row(found, wanted):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        if np.asarray(value).dtype.kind in "OSU":
            texts = np.vectorize(lambda text: text.decode(), otypes=[object])(value)
            assert found[name] == texts.tolist(), name
        else:
            number = np.array(found[name], float)
            number = np.where(np.isnan(number), -np.inf, number)  # JSON has no infinity
            number = np.where(number < -1e300, -np.inf, number)  # nor has KServe, in v2
            np.testing.assert_allclose(number, value, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", COLUMNS)
def test_the_example_client_gets_the_answers_of_the_graphs(server, served, name):
    found = predict_rest(server[0], name, COLUMNS[name])
    for row, wanted in zip(
        found, answers_of(served[name], "serving_default", rows_of(name)), strict=True
    ):
        assert_row(row, wanted)


def by_rest(address, name):
    inputs = [
        {"name": column, "shape": [len(texts)], "datatype": "BYTES", "data": list(texts)}
        for column, texts in COLUMNS[name].items()
    ]
    request = urllib.request.Request(
        f"http://{address}/v2/models/{name}/infer",
        json.dumps({"inputs": inputs}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        return json.load(response)


def by_grpc(address, name, folder):
    (folder / "columns.json").write_text(json.dumps(COLUMNS[name]))
    program = [PYTHON, Path(__file__).parent / "ask_grpc.py", address, name]
    program += [folder / "columns.json", folder / "answer.json"]
    done = subprocess.run(list(map(str, program)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / "answer.json").read_text())


@pytest.mark.parametrize("name", COLUMNS)
def test_the_open_inference_protocol(server, served, tmp_path, name):
    expected = answers_of(served[name], "serving_default", rows_of(name))
    for answer in (by_rest(server[0], name), by_grpc(server[1], name, tmp_path)):
        assert answer["model_version"] == "1"
        assert {output["name"] for output in answer["outputs"]} == set(expected[0])
        for output in answer["outputs"]:
            values = np.array(output["data"], object).reshape(output["shape"])
            for row, wanted in zip(values, expected, strict=True):
                value = np.asarray(wanted[output["name"]])
                inside = tuple(map(slice, value.shape))  # without padding
                found = row[inside].tolist() if inside else row
                assert_row({"found": found}, {"found": value})


@pytest.mark.parametrize(
    ("model", "columns", "signature", "message"),
    [
        ("classifier", {"txt": ["a"]}, "serving_default", "400: expected an instance with text"),
        ("classifier", {"text": [7]}, "serving_default", "400: expected texts as text"),
        ("regressor", {"text": ["a"]}, "serving_default", "400: .* text and text_pair"),
        ("classifier", {"text": ["a"]}, "fill_mask", "400: no signature 'fill_mask'"),
        ("nothing", {"text": ["a"]}, "serving_default", "404: .*nothing does not exist"),
    ],
)
def test_refused_in_a_line(server, model, columns, signature, message):
    with pytest.raises(ServingError, match=message):
        predict_rest(server[0], model, columns, signature)


class Clients:
    """Threads that ask one text after another, and remember what they were answered."""

    def __init__(self, address, name, texts, count):
        self.answers = [[] for _ in range(count)]
        self.errors = []
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(address, name, texts, place))
            for place in range(count)
        ]

    def _ask(self, address, name, texts, place):
        while not self._end.is_set():
            text = texts[(place + len(self.answers[place])) % len(texts)]
            try:
                self.answers[place] += [(text, *predict_rest(address, name, {"text": [text]}))]
            except ServingError as error:
                self.errors.append(error)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()


def test_versions_change_while_requests_run_and_none_is_lost(
    server, serving, served, randomize, tmp_path
):
    def made(seed):
        return servable_task(randomize(make_models(randomize)["classifier"], seed, 0.2))

    new, newest = made(99), made(7)
    likely = [
        {
            text: answer["probabilities"]
            for text, answer in zip(TEXTS, answers_of(each, "serving_default", TEXTS), strict=True)
        }
        for each in (served["classifier"], new, newest)
    ]

    def version_of(text, answer):
        close = [
            np.allclose(answer["probabilities"], known[text], atol=1e-5, rtol=0) for known in likely
        ]
        assert sum(close) == 1, "an answer of neither version, or of another text"
        return 1 + close.index(True)

    with Clients(server[0], "classifier", TEXTS, 8) as clients:

        def wait_for(condition):
            end = time.monotonic() + 300
            while not condition() and time.monotonic() < end:
                time.sleep(0.1)

        def versions():
            return [version_of(*answers[-1]) for answers in clients.answers if answers]

        wait_for(lambda: versions() == [1] * 8)
        broken = serving / "classifier" / "3"
        assert export({"openvino": new}, serving / "classifier", "MIT").name == "2"
        wait_for(lambda: versions() == [2] * 8)
        shutil.copytree(serving / "classifier" / "2", broken)
        (broken / "openvino_model.bin").write_bytes(b"")
        time.sleep(5)  # several looks of the server
        broken.rename(tmp_path / "3")  # repaired, it has its number again
        assert export({"openvino": newest}, serving / "classifier", "MIT").name == "3"
        wait_for(lambda: versions() == [3] * 8)
    assert clients.errors == []
    for answers in clients.answers:
        order = [version_of(text, answer) for text, answer in answers]
        assert order == sorted(order) and {1, 2, 3} == set(order)
