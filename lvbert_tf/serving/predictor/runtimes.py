"""What computes an exported network: OpenVINO, ONNX Runtime or TensorFlow, each imported when needed."""

import importlib
import importlib.util
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

Arrays = Mapping[str, np.ndarray]
Compute = Callable[[Arrays], Arrays]

PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime", "savedmodel": "tensorflow"}
"""Format -> the package that computes it."""
_CAPABILITIES = "OPTIMIZATION_CAPABILITIES"
# OpenVINO keeps so many primitives of a kind, one for each operation and shape. Of its own 5,000 a
# server of LV-BERT-small held 1.8 GB.
_PRIMITIVES = "1000"


def _openvino(file: Path, signature: str, precision: str, threads: int, many: bool) -> Compute:
    import openvino

    core = openvino.Core()
    half = precision == "bfloat16" and "BF16" in core.get_property("CPU", _CAPABILITIES)
    options = {"INFERENCE_PRECISION_HINT": "bf16" if half and _gains_by_bfloat16() else "f32"}
    options |= {"INFERENCE_NUM_THREADS": str(threads)} if threads else {}
    options |= {"PERFORMANCE_HINT": "THROUGHPUT" if many else "LATENCY"}
    options |= {"CPU_RUNTIME_CACHE_CAPACITY": _PRIMITIVES}
    compiled = core.compile_model(str(file), "CPU", options)
    of_thread = threading.local()

    def compute(inputs: Arrays) -> Arrays:
        if not hasattr(of_thread, "request"):
            of_thread.request = compiled.create_infer_request()
        found = of_thread.request.infer(inputs)
        return {name: value for port, value in found.items() for name in port.names}

    return compute


def _gains_by_bfloat16(cpuinfo: str = "/proc/cpuinfo") -> bool:
    """False for processors of Intel that have AVX512-BF16 without AMX: they lose by it."""
    path = Path(cpuinfo)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return "GenuineIntel" not in text or "amx_bf16" in text


def _onnx(file: Path, signature: str, precision: str, threads: int, many: bool) -> Compute:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1 if many else threads
    session = onnxruntime.InferenceSession(str(file), options, ["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


def _saved_model(file: Path, signature: str, precision: str, threads: int, many: bool) -> Compute:
    import tensorflow as tf

    if importlib.util.find_spec("tensorflow_text"):  # only one that reads strings needs it
        importlib.import_module("tensorflow_text")
    graph, each = tf.saved_model.load(str(file.parent)).signatures[signature], tf.nest.map_structure
    return lambda inputs: each(lambda out: out.numpy(), graph(**each(tf.constant, inputs)))


RUNTIMES = {"openvino": _openvino, "onnx": _onnx, "savedmodel": _saved_model}
"""Format -> what starts a network of it."""
