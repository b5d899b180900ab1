"""Asks a served model about texts: TensorFlow Serving by REST or gRPC, MLflow's model server by REST.

  python examples/serving_client.py --model sst "a fine film" "a dull one"
  python examples/serving_client.py --api grpc --address 127.0.0.1:8500 --model sst "a fine film"
  python examples/serving_client.py --api mlflow --address 127.0.0.1:5000 "a fine film"

  python examples/serving_client.py --model squad --input question "Who?" --input context "Bo did."

Prints a JSON object a text. Inputs of other names than `text` are given by --input, each as often as
the others.

Needs this file and Python; for gRPC also `pip install tensorflow-serving-api`.

Exit codes: 0 answered, 2 no answer: one line on standard error says why.
"""

import argparse
import base64
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

SIGNATURE = "serving_default"
ADDRESSES = {"rest": "127.0.0.1:8501", "grpc": "127.0.0.1:8500", "mlflow": "127.0.0.1:5000"}
Columns = Mapping[str, Sequence[str]]
Rows = list[dict[str, Any]]


class ServingError(Exception):
    """The server cannot be reached or refuses the request; the message is one line."""


def predict_rest(
    address: str, model: str, columns: Columns, signature: str = SIGNATURE, timeout: float = 60
) -> Rows:
    """Asks TensorFlow Serving's REST API.

    Args:
        address: `host:port`, the port being --rest_api_port.
        model: the name under which it is served; `NAME/versions/3` asks for that version.
        columns: inputs of the signature by name, each of the same number of texts.
        signature: a signature with two outputs or more; the server leaves the name out of one.
        timeout: seconds.

    Returns:
        For each text the outputs of the signature by name.

    Raises:
        ServingError: there is no such server, model or signature, or it refuses the inputs.
    """
    request = {"signature_name": signature, "instances": _instances(columns)}
    return _post(f"http://{address}/v1/models/{model}:predict", request, timeout)


def predict_mlflow(address: str, columns: Columns, timeout: float = 60) -> Rows:
    """Asks the server that `mlflow models serve` starts; see `predict_rest`.

    It serves one signature of one model. Its JSON is that of TensorFlow Serving, except that text
    in answers is in base64.
    """
    answer = _post(f"http://{address}/invocations", {"instances": _instances(columns)}, timeout)
    return [{name: _text(value) for name, value in row.items()} for row in answer]


def predict_grpc(
    address: str, model: str, columns: Columns, signature: str = SIGNATURE, timeout: float = 60
) -> Rows:
    """Asks TensorFlow Serving's gRPC API, whose port is --port; see `predict_rest`."""
    # REST needs none of these, and TensorFlow takes seconds.
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, texts in columns.items():
        values = [text.encode() for text in texts]
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values, tf.string, [len(values)]))
    unlimited = [("grpc.max_receive_message_length", -1)]  # embeddings pass the default of 4 MiB
    try:
        with grpc.insecure_channel(address, unlimited) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            response = stub.Predict(request, timeout)
    except grpc.RpcError as error:
        raise ServingError(
            f"{address}: {error.code().name}: {_one_line(error.details())}"
        ) from error
    outputs = {name: tf.make_ndarray(value).tolist() for name, value in response.outputs.items()}
    return [
        {name: _decoded(value) for name, value in zip(outputs, row, strict=True)}
        for row in zip(*outputs.values(), strict=True)
    ]


def _instances(columns: Columns) -> Rows:
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _post(url: str, body: dict, timeout: float) -> Rows:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.load(response)["predictions"]
    except urllib.error.HTTPError as error:
        raise ServingError(f"{url}: {error.code}: {_message(error.read())}") from error
    except OSError as error:
        raise ServingError(f"{url}: {getattr(error, 'reason', error)}") from error


def _message(body: bytes) -> str:
    """What a server says of an error: TensorFlow Serving under `error`, MLflow under `message`."""
    try:
        answer = json.loads(body)
        return _one_line(answer.get("error") or answer["message"])
    except (ValueError, AttributeError, KeyError):
        return _one_line(body.decode(errors="replace"))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _text(value: Any) -> Any:
    """Text for base64, at any depth."""
    if isinstance(value, list):
        return [_text(each) for each in value]
    return base64.b64decode(value).decode() if isinstance(value, str) else value


def _decoded(value: Any) -> Any:
    """Text for bytes, at any depth."""
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    return value.decode() if isinstance(value, bytes) else value


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the answers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--api", choices=ADDRESSES, default="rest")
    parser.add_argument("--address", help="host:port; each API has its usual port on this machine")
    parser.add_argument("--model", help="the name under which TensorFlow Serving serves it")
    parser.add_argument("--signature", default=SIGNATURE)
    parser.add_argument("--input", nargs=2, action="append", default=[], metavar=("NAME", "TEXT"))
    parser.add_argument("text", nargs="*")
    given = parser.parse_args(arguments)
    if given.api != "mlflow" and not given.model:
        parser.error("--model is required unless --api is mlflow")
    columns: dict[str, list[str]] = {}
    for name, text in [*(("text", text) for text in given.text), *given.input]:
        columns.setdefault(name, []).append(text)
    if len({len(texts) for texts in columns.values()}) != 1:
        counts = ", ".join(f"{len(texts)} of {name}" for name, texts in columns.items())
        parser.error(f"give texts, as many for each input; here are {counts or 'none'}")
    address = given.address or ADDRESSES[given.api]
    try:
        if given.api == "mlflow":
            rows = predict_mlflow(address, columns)
        else:
            ask = predict_rest if given.api == "rest" else predict_grpc
            rows = ask(address, given.model, columns, given.signature)
    except ServingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for row in rows:
        # Servers give the outputs in any order.
        print(json.dumps(row, ensure_ascii=False, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
