"""Times predictions of Hugging Face's ELECTRA in PyTorch, ONNX Runtime and OpenVINO.

    python3.11 -m venv /tmp/hf
    /tmp/hf/bin/pip install 'torch==2.13.0' transformers onnx onnxruntime openvino
    /tmp/hf/bin/python -m benchmarks.baselines.huggingface_serving --data DIR --runtime onnxruntime

`ElectraForSequenceClassification` of ELECTRA-small's size, weights at random. PyTorch runs it eagerly,
in inference mode, or `compiled` by torch.compile for any shape, which needs a C++ compiler. For ONNX
Runtime it is exported once into DIR and goes through ONNX Runtime's optimizer for BERT; int8 is its
dynamic quantisation of the weights. OpenVINO reads what was exported, before that
optimizer. Layers must repeat `AF`. The last line of the output is JSON; see serving.py.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import transformers

from benchmarks.baselines import serving
from benchmarks.baselines.huggingface_electra import HEADS, WIDTH, electra_small

PRECISIONS = {
    "pytorch": ("float32", "bfloat16"),
    "pytorch_compiled": ("float32", "bfloat16"),
    "onnxruntime": ("float32", "int8"),
    "openvino": ("float32", "bfloat16"),
}
# PyTorch's default; ONNX Runtime's optimizer fuses eager attention only.
ATTENTION = {
    "pytorch": "sdpa",
    "pytorch_compiled": "sdpa",
    "onnxruntime": "eager",
    "openvino": "sdpa",
}
INPUTS = ("input_ids", "token_type_ids", "attention_mask")


def classifier(layers: str, attention: str) -> torch.nn.Module:
    """A model of ELECTRA-small's size."""
    torch.manual_seed(0)
    vocabulary_size = serving.stepping.VOCABULARY_SIZE
    config = electra_small(vocabulary_size, len(layers) // 2, attention)
    return transformers.ElectraForSequenceClassification(config).eval()


def pytorch(flags) -> Callable[[dict], np.ndarray]:
    """A function from a model's inputs to its logits."""
    torch.set_num_threads(flags.threads)
    model = classifier(flags.layers, flags.attention).to(getattr(torch, flags.precision))
    if flags.runtime == "pytorch_compiled":
        model = torch.compile(model, dynamic=True)

    def answer(arrays: dict) -> np.ndarray:
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
            return model(**tensors).logits.float().numpy()

    return answer


def onnxruntime(flags) -> Callable[[dict], np.ndarray]:
    """A function from a model's inputs to its logits."""
    import onnxruntime

    path = flags.data / f"{flags.layers}_{flags.attention}_{flags.precision}.onnx"
    if not path.exists():
        write_onnx(flags, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = flags.threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda arrays: session.run(None, arrays)[0]


def openvino(flags) -> Callable[[dict], np.ndarray]:
    """A function from a model's inputs to its logits."""
    import openvino

    path = flags.data / f"{flags.layers}_{flags.attention}.onnx"
    if not path.exists():
        export_onnx(flags, path)
    options = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[flags.precision],
        "INFERENCE_NUM_THREADS": str(flags.threads),
    }
    request = openvino.Core().compile_model(str(path), "CPU", options).create_infer_request()
    return lambda arrays: request.infer(arrays)[0]


def write_onnx(flags, path: Path) -> None:
    """Exports, fuses and quantises a model; the last step only for int8."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers.optimizer import optimize_model

    exported = path.with_suffix(".exported")
    export_onnx(flags, exported)
    if flags.precision == "int8":
        # Fused operators have no types that the quantiser knows; the session fuses what it can.
        quantize_dynamic(exported, path, weight_type=QuantType.QInt8)
    else:
        optimize_model(
            str(exported), "bert", num_heads=HEADS, hidden_size=WIDTH, opt_level=0
        ).save_model_to_file(str(path))
    exported.unlink()


def export_onnx(flags, path: Path) -> None:
    """Writes a model for any batch and any length."""
    example = tuple(
        torch.from_numpy(array.astype(np.int64)) for array in serving.token_ids((2, 16))
    )
    model = Positional(classifier(flags.layers, flags.attention))
    with contextlib.redirect_stdout(io.StringIO()):  # it says that there will be another exporter
        torch.onnx.export(
            model,
            example,
            path,
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in INPUTS},
            opset_version=17,
            dynamo=False,
        )


class Positional(torch.nn.Module):
    """A model whose inputs have an order."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return self.model(**dict(zip(INPUTS, tensors, strict=True))).logits


def main() -> None:
    parser = serving.argument_parser(__doc__.splitlines()[0])
    parser.add_argument("--runtime", choices=tuple(PRECISIONS), default="pytorch")
    parser.add_argument("--precision", choices=("float32", "bfloat16", "int8"), default="float32")
    parser.add_argument("--attention", choices=("sdpa", "eager"), help="see ATTENTION")
    flags = parser.parse_args()
    flags.attention = flags.attention or ATTENTION[flags.runtime]
    if flags.layers != "AF" * (len(flags.layers) // 2):
        parser.error(f"--layers {flags.layers}: only repeated AF")
    if flags.precision not in PRECISIONS[flags.runtime]:
        parser.error(
            f"--precision {flags.precision}: {flags.runtime} has {PRECISIONS[flags.runtime]}"
        )
    warnings.simplefilter("ignore")
    logging.disable()
    transformers.logging.set_verbosity_error()

    start = {"onnxruntime": onnxruntime, "openvino": openvino}.get(flags.runtime, pytorch)
    answer = start(flags)
    seconds = {}
    for name, size in flags.requests.items():
        arrays = {
            name: array.astype(np.int64)
            for name, array in zip(INPUTS, serving.token_ids(size), strict=True)
        }
        seconds[name] = serving.time_answers(lambda arrays=arrays: answer(arrays), flags.seconds)
    serving.print_result(
        flags,
        seconds,
        framework=f"{flags.runtime}, torch {torch.__version__}, transformers {transformers.__version__}",
        precision=flags.precision,
        attention=flags.attention,
    )


if __name__ == "__main__":
    main()
