"""Serves exported models of every format over HTTP and gRPC, with KServe's model server.

  pip install kserve openvino tokenizers
  python -m examples.model_server --models SERVING --http_port 8080 --grpc_port 8081

or copy this file and lvbert_tf/serving/predictor/ into a folder and run `python model_server.py`: it
needs nothing else of its project, and no TensorFlow. Each SERVING/NAME with versions in it is served as
NAME, by the newest version. A version that appears takes over while requests run, those that were asked
before are answered by the one before; a version that cannot be loaded is passed over.

REST v1 is that of TensorFlow Serving, which examples/serving_client.py asks. REST v2 and gRPC v2 are the
Open Inference Protocol: an input of type BYTES for each part of a text; the parameter `signature` asks
for another signature; rows are padded with 0 and "", as docs/serving.md lists them.

Texts that wait while others are computed are computed together, --batch_size at a time.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import kserve
import numpy as np
from kserve.errors import InvalidInput
from kserve.model_server import parser as server_flags
from kserve.utils.numpy_codec import from_np_dtype

try:
    from lvbert_tf.serving import load
except ImportError:  # beside a copy of the folder
    from predictor import load

_LOG = logging.getLogger("kserve")
_PATIENCE = 1.0  # seconds between looks at the folder


_Made = tuple[
    int, int, int
]  # a version's number, and what tells it from an earlier one of that number


def _made(version: Path) -> _Made:
    info = version.stat()
    return int(version.name), info.st_mtime_ns, info.st_ino


class ServedModel(kserve.Model):
    """The newest version of a model, and the requests that wait for it."""

    def __init__(self, folder: Path, flags: argparse.Namespace):
        super().__init__(folder.name)
        self._folder, self._flags = folder, flags
        self._failed: set[_Made] = set()
        self._waiting: list[tuple[list, str, asyncio.Future]] = []
        self._working = False
        self._thread = ThreadPoolExecutor(1)
        self._version = 0
        self._made: _Made | None = None
        self.look()

    def look(self) -> None:
        """Loads the newest version that can be loaded, unless it is the one that answers."""
        there: set[_Made] = set()
        for child in self._folder.iterdir():
            with contextlib.suppress(OSError):  # it has just been moved away
                if child.name.isdecimal():
                    there.add(_made(child))
        for made in sorted(there - self._failed, reverse=True):
            version = made[0]
            if made == self._made:
                return
            try:
                model = load(self._folder / str(version), self._flags.format, self._flags.threads)
                parts = _parts(model.config)
                model(["a text" if len(parts) == 1 else ("a text", "a text")])  # compiles it
            except Exception as error:  # whatever is wrong with it, the one before goes on
                _LOG.error("%s: version %d cannot be loaded: %s", self.name, version, error)
                self._failed.add(made)
                continue
            self._model, self._version, self._made, self.ready = model, version, made, True
            _LOG.info("%s: version %d answers", self.name, version)
            return

    async def predict(self, payload: Any, headers=None, response_headers=None) -> Any:
        """Answers a request of any of the protocols."""
        parts = _parts(self._model.config)
        if rest_v1 := not isinstance(payload, kserve.InferRequest):
            payload = _parsed(payload)
            texts = _instances(payload.get("instances"), parts)
            signature = payload.get("signature_name", "serving_default")
        else:
            texts = _columns(payload, parts)
            signature = (payload.parameters or {}).get("signature", "serving_default")
            signature = getattr(signature, "string_param", signature)
        if signature not in self._model.signatures:
            raise InvalidInput(f"no signature {signature!r}: {', '.join(self._model.signatures)}")
        answers, version = await self._answer(texts, signature) if texts else ([], self._version)
        if rest_v1:
            return {"predictions": [{k: _plain(v) for k, v in row.items()} for row in answers]}
        names = answers[0] if answers else ()
        return kserve.InferResponse(
            payload.id or str(uuid.uuid4()),
            self.name,
            [_output(name, [row[name] for row in answers]) for name in names],
            str(version),
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )

    async def _answer(self, texts: list, signature: str) -> tuple[list, int]:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((texts, signature, future))
        if not self._working:
            self._working = True
            self._task = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        """Computes what waits, as much of one signature at a time as a batch holds."""
        while self._waiting:
            together, texts = [], []
            signature = self._waiting[0][1]
            for request in self._waiting:
                most = self._flags.batch_size - len(request[0])
                if together and (request[1] != signature or len(texts) > most):
                    break
                together.append(request)
                texts += request[0]
            del self._waiting[: len(together)]
            model, version = self._model, self._version
            compute = asyncio.get_running_loop().run_in_executor(
                self._thread, model, texts, signature, self._flags.batch_size
            )
            try:
                answers = iter(await compute)
                found = [[next(answers) for _ in request[0]] for request in together]
            except Exception as error:
                found = [error] * len(together)
            for (_, _, future), result in zip(together, found, strict=True):
                if future.done():  # the client has gone
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result((result, version))
        self._working = False


def _parts(config: dict) -> tuple[str, ...]:
    """The names of the parts of a text that a model reads."""
    if config["kind"] == "span_predictor":
        return "question", "context"
    return ("text", "text_pair") if config.get("paired") else ("text",)


def _parsed(payload: Any) -> dict:
    """The JSON of REST v1, whatever the content type, as TensorFlow Serving takes it."""
    try:
        found = payload if isinstance(payload, dict) else json.loads(payload)
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"expected JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInput('expected {"instances": [...]}')
    return found


def _instances(instances: Any, parts: Sequence[str]) -> list:
    """The texts of REST v1: an object of its parts for each, or the text alone."""
    if not isinstance(instances, list):
        raise InvalidInput('expected {"instances": [...]}')
    if len(parts) == 1:
        instances = [{parts[0]: row} if isinstance(row, str) else row for row in instances]
    for row in instances:
        if not isinstance(row, dict) or row.keys() != set(parts):
            raise InvalidInput(f"expected an instance with {' and '.join(parts)}, got {row!r:.80}")
        if not all(isinstance(text, str) for text in row.values()):
            raise InvalidInput(f"expected texts as {' and '.join(parts)}, got {row!r:.80}")
    rows = [tuple(row[part] for part in parts) for row in instances]
    return [row[0] for row in rows] if len(parts) == 1 else rows


def _columns(payload: kserve.InferRequest, parts: Sequence[str]) -> list:
    """The texts of the v2 protocols: an input of BYTES for each part."""
    columns = {column.name: column for column in payload.inputs}
    if columns.keys() != set(parts):
        raise InvalidInput(f"expected the inputs {', '.join(parts)}, got {', '.join(columns)}")
    values = []
    for part in parts:
        if columns[part].datatype != "BYTES":
            raise InvalidInput(f"{part}: expected the datatype BYTES")
        values.append(columns[part].as_numpy().ravel().tolist())
        if not all(isinstance(text, (str, bytes)) for text in values[-1]):
            raise InvalidInput(f"{part}: expected texts")
    if len({len(column) for column in values}) != 1:
        raise InvalidInput("expected inputs of the same length")
    return values[0] if len(parts) == 1 else list(zip(*values, strict=True))


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _output(name: str, values: Sequence) -> kserve.InferOutput:
    """An output of all texts, padded to the largest."""
    arrays = [np.asarray(value) for value in values]
    texts = any(array.dtype.kind == "U" for array in arrays)
    sizes = [array.shape for array in arrays if array.size] or [arrays[0].shape]
    shape = [len(arrays), *np.max(sizes, axis=0, initial=0).astype(int).tolist()]
    whole = np.full(shape, "", object) if texts else np.zeros(shape, arrays[0].dtype)
    for row, array in enumerate(arrays):
        if array.size:
            whole[(row, *map(slice, array.shape))] = array
    return kserve.InferOutput(name, shape, from_np_dtype(whole.dtype), whole)


def main() -> None:
    """Serves until it is stopped."""
    flags = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[server_flags],
    )
    flags.add_argument("--models", type=Path, required=True, help="the folder SERVING")
    flags.add_argument("--format", help="openvino, onnx or savedmodel; default: as load chooses")
    flags.add_argument("--threads", type=int, default=0, help="of a model; 0: the engine decides")
    flags.add_argument("--batch_size", type=int, default=32, help="texts computed at once")
    given = flags.parse_args()
    folders = [child for child in sorted(given.models.iterdir()) if child.is_dir()]
    models = [ServedModel(folder, given) for folder in folders]

    def look() -> None:
        while True:
            time.sleep(_PATIENCE)
            for model in models:
                try:
                    model.look()
                except OSError as error:  # its folder is being moved, for instance
                    _LOG.error("%s: %s", model.name, error)

    threading.Thread(target=look, daemon=True).start()
    kserve.ModelServer().start(models)


if __name__ == "__main__":
    main()
