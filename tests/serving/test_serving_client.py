"""The client speaks TensorFlow Serving's protocols: the REST API as it is documented, gRPC by its stubs.

Only the messages are tested here: one end of each connection is a stand-in. test_model_servers.py
has the servers.
"""

import concurrent.futures
import http.server
import json
import threading

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from examples.serving_client import ServingError, main, predict_grpc, predict_rest

PAIRS = {"text": ["naïve", "", "c"], "text_pair": ["x", "y", "z"]}


@pytest.fixture
def rest_server():
    """(address, requests as (path, body), answers as (status, body) to give)."""
    requests, answers = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append((self.path, body))
            status, answer = answers.pop()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", requests, answers
        server.shutdown()


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers a text with what it was asked, and its length."""

    def Predict(self, request, context):
        if request.model_spec.name != "pairs":
            context.abort(grpc.StatusCode.NOT_FOUND, "no such\nmodel")
        assert request.model_spec.signature_name == "serving_default"
        columns = [tf.make_ndarray(request.inputs[name]) for name in ("text", "text_pair")]
        lengths = np.array([[len(text), 0.5] for text in columns[0]], np.float32).reshape(-1, 2)
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        response.outputs["label"].CopyFrom(tf.make_tensor_proto(columns[0] + b"|" + columns[1]))
        response.outputs["tokens"].CopyFrom(tf.make_tensor_proto(np.stack(columns, axis=1)))
        response.outputs["lengths"].CopyFrom(tf.make_tensor_proto(lengths))
        return response


@pytest.fixture
def grpc_server():
    """The address of a PredictionService."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


def test_rest_request_and_answer_are_those_of_the_documentation(rest_server):
    address, requests, answers = rest_server
    answers.append((200, '{"predictions": [{"label": "a", "probabilities": [0.25, 0.75]}]}'))
    rows = predict_rest(address, "pairs", {"text": ["naïve"], "text_pair": ["x"]})
    assert rows == [{"label": "a", "probabilities": [0.25, 0.75]}]
    instances = [{"text": "naïve", "text_pair": "x"}]
    body = {"signature_name": "serving_default", "instances": instances}
    assert requests == [("/v1/models/pairs:predict", body)]


def test_program_prints_outputs_in_one_order(rest_server, capsys):
    address, _, answers = rest_server
    answers.append((200, '{"predictions": [{"b": 1, "a": "é"}, {"a": "f", "b": 2}]}'))
    assert main(["--address", address, "--model", "pairs", "x", "y"]) == 0
    assert capsys.readouterr().out == '{"a": "é", "b": 1}\n{"a": "f", "b": 2}\n'


def test_rest_errors_are_one_line(rest_server, capsys):
    address, _, answers = rest_server
    answers += [(502, "<html>\nbad"), (404, '{"error": "Servable not found:\\n pairs"}')]
    with pytest.raises(ServingError, match=r"pairs:predict: 404: Servable not found: pairs$"):
        predict_rest(address, "pairs", PAIRS)
    assert main(["--address", address, "--model", "pairs", "a"]) == 2
    url = f"http://{address}/v1/models/pairs:predict"
    assert capsys.readouterr().err == f"error: {url}: 502: <html> bad\n"


def test_grpc_request_and_answer(grpc_server):
    assert predict_grpc(grpc_server, "pairs", PAIRS) == [
        {"label": "naïve|x", "tokens": ["naïve", "x"], "lengths": [6.0, 0.5]},
        {"label": "|y", "tokens": ["", "y"], "lengths": [0.0, 0.5]},
        {"label": "c|z", "tokens": ["c", "z"], "lengths": [1.0, 0.5]},
    ]
    assert predict_grpc(grpc_server, "pairs", {"text": [], "text_pair": []}) == []


def test_grpc_errors_are_one_line(grpc_server):
    with pytest.raises(ServingError, match=r": NOT_FOUND: no such model$"):
        predict_grpc(grpc_server, "other", PAIRS)


@pytest.mark.parametrize("api", ["rest", "grpc", "mlflow"])
def test_no_server(api, capsys):
    # Port 1 belongs to a service that nobody runs.
    assert main(["--api", api, "--address", "127.0.0.1:1", "--model", "sst", "a"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "127.0.0.1:1" in line


BAD_USAGE = {
    "no model": ["a"],
    "no texts": ["--model", "m"],
    "columns of two lengths": ["--model", "m", "a", "b", "--input", "text_pair", "c"],
}


@pytest.mark.parametrize("given", BAD_USAGE.values(), ids=BAD_USAGE)
def test_bad_usage(given):
    with pytest.raises(SystemExit, match="2"):
        main(given)


def test_program_sends_inputs_by_name(rest_server, capsys):
    address, requests, answers = rest_server
    answers.append((200, '{"predictions": [{"answer": "Bo"}]}'))
    given = ["--input", "question", "Who?", "--input", "context", "Bo did."]
    assert main(["--address", address, "--model", "squad", *given]) == 0
    assert requests[0][1]["instances"] == [{"question": "Who?", "context": "Bo did."}]
