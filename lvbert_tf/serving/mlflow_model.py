"""Writes the description of a SavedModel with which MLflow's model server can load it."""

import json
import os
import platform
from pathlib import Path

from lvbert_tf.errors import InputError
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.whole import check_replaceable, replace_file, write_json
from lvbert_tf.quiet_import import import_tensorflow

_DESCRIPTION = "MLmodel"
_LOADER = '''\
"""Adds tensorflow-text's operations to TensorFlow, then loads a SavedModel as MLflow does."""

import tensorflow_text  # noqa: F401
from mlflow.tensorflow import _load_pyfunc  # noqa: F401
'''


def write_mlflow_model(
    output_dir: str | Path,
    saved_model: str | Path,
    signature: str = "serving_default",
    overwrite: bool = False,
) -> None:
    """Writes a directory for `mlflow models serve`.

    Args:
        output_dir: the directory to make. It refers to `saved_model` by a relative path.
        saved_model: the directory of one version, which has a saved_model.pb.
        signature: the signature to serve. Each of its inputs must be a batch of texts.
        overwrite: whether to replace an earlier description.

    Raises:
        InputError: there is no such SavedModel or signature, an input is not text, or `output_dir`
            is not empty.
    """
    output_dir, saved_model = parse_path(output_dir), parse_path(saved_model)
    tags, inputs = _read_signature(saved_model, signature)
    check_replaceable(output_dir, overwrite, {_DESCRIPTION, "code"}.__contains__)
    description = {
        "flavors": {
            "python_function": {
                "loader_module": "text_operations",
                "code": "code",
                "python_version": platform.python_version(),
            },
            "tensorflow": {
                "saved_model_dir": os.path.relpath(saved_model.resolve(), output_dir.resolve()),
                "meta_graph_tags": tags,
                "signature_def_key": signature,
            },
        },
        # Without it MLflow guesses the types of its inputs, wrongly for an empty batch or a number, and
        # its answers are columns.
        "signature": {"inputs": json.dumps([{"type": "string", "name": name} for name in inputs])},
    }
    (output_dir / "code").mkdir(parents=True, exist_ok=True)
    replace_file(output_dir / "code" / "text_operations.py", _LOADER)
    write_json(output_dir / _DESCRIPTION, description)  # YAML, of which JSON is a part


def _read_signature(saved_model: Path, signature: str) -> tuple[list[str], list[str]]:
    """Returns the tags of the graph and the names of the signature's inputs."""
    file = saved_model / "saved_model.pb"
    if not file.is_file():
        raise InputError(
            f"{saved_model} holds no saved_model.pb; name a version, e.g. SERVING/sst/1"
        )
    import_tensorflow()  # here, so that --help and a wrong path do not wait
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework import types_pb2
    from tensorflow.core.protobuf import saved_model_pb2

    try:
        (graph,) = saved_model_pb2.SavedModel.FromString(file.read_bytes()).meta_graphs
    except (DecodeError, ValueError) as error:
        raise InputError(f"{file} is damaged or holds more than one graph") from error
    if signature not in graph.signature_def:
        names = sorted(name for name in graph.signature_def if not name.startswith("__"))
        raise InputError(f"{saved_model} has no signature {signature!r}; it has {', '.join(names)}")
    inputs = graph.signature_def[signature].inputs
    for name, tensor in inputs.items():
        if tensor.dtype != types_pb2.DT_STRING:
            raise InputError(f"input {name!r} of signature {signature!r} is no text")
    return list(graph.meta_info_def.tags), sorted(inputs)
