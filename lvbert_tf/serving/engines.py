"""Writes signatures of token ids in the formats of ONNX Runtime and OpenVINO."""

import contextlib
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from lvbert_tf.io.paths import parse_path
from lvbert_tf.serving.calibration import Inputs
from lvbert_tf.serving.inputs import Signature
from lvbert_tf.serving.saved_model import write_saved_model

_SIGNATURE = "serving_default"  # the only one that OpenVINO reads
_OPSET = 18


def write_onnx(
    path: Path, graph: Signature, weights: Sequence[keras.Variable], precision: str
) -> None:
    """Writes an ONNX file.

    Args:
      path: the file to write, NAME.onnx.
      graph: a graph that `ids_signature` made. The checks of its inputs are left out.
      weights: all variables that the graph reads.
      precision: "int8" multiplies by weights in 8 bits. The other factor is rounded to 8 bits as well,
        when the model runs: the largest number of a batch becomes the largest integer.

    Raises:
      OSError: the file cannot be written.
    """
    from tf2onnx import convert, tf_loader

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with _saved(path.parent, graph, weights) as directory:
        frozen, inputs, outputs, names = tf_loader.from_saved_model(
            str(directory),
            None,
            None,
            tag=["serve"],
            signatures=[_SIGNATURE],
            return_tensors_to_rename=True,
        )
    model, _ = convert.from_graph_def(
        frozen,
        name=path.stem,
        input_names=inputs,
        output_names=outputs,
        tensors_to_rename=names,
        opset=_OPSET,
    )
    if precision == "int8":
        from onnxruntime import quantization

        with tempfile.TemporaryDirectory(dir=path.parent) as directory:
            unquantised = parse_path(directory) / path.name
            unquantised.write_bytes(model.SerializeToString(deterministic=True))
            quantization.quantize_dynamic(
                unquantised,
                path,
                # Not "Conv": depthwise convolutions are little of the arithmetic, and slow in 8 bits.
                op_types_to_quantize=["MatMul", "Gather"],
                weight_type=quantization.QuantType.QInt8,
            )
    else:
        path.write_bytes(model.SerializeToString(deterministic=True))


def write_openvino(
    path: Path,
    graph: Signature,
    weights: Sequence[keras.Variable],
    precision: str,
    calibration: Sequence[Inputs] = (),
) -> None:
    """Writes an OpenVINO model, in two files.

    Args:
      path: the file to write, NAME.xml; its weights go to NAME.bin beside it.
      graph, weights: see `write_onnx`.
      precision: "bfloat16" stores weights in 16 bits. They are float16, which OpenVINO unpacks whatever
        it computes in, and which is closer to float32 than bfloat16 is. "int8" multiplies in 8 bits, and
        stores the other weights like "bfloat16".
      calibration: for int8, inputs from `calibration_inputs`.

    Raises:
      OSError: the files cannot be written.
    """
    import openvino

    with _saved(path.parent, graph, weights) as directory:
        model = openvino.Core().read_model(directory)
        if precision == "int8":
            model = _quantised(model, calibration)
        openvino.save_model(model, path, compress_to_fp16=precision != "float32")


def _quantised(model: Any, calibration: Sequence[Inputs]) -> Any:
    """An OpenVINO model that multiplies in 8 bits, with a scale for each output of a weight."""
    import nncf

    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(sys.stderr):  # its progress bars
        return nncf.quantize(
            model,
            nncf.Dataset(list(calibration)),
            subset_size=len(calibration),
            model_type=nncf.ModelType.TRANSFORMER,
            # Depthwise convolutions are little of the arithmetic, and nncf cannot calibrate them with
            # texts of different lengths.
            ignored_scope=nncf.IgnoredScope(types=["GroupConvolution"], validate=False),
            # SmoothQuant puts a product before each matrix product, which takes a seventh of the time.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=-1)
            ),
        )


@contextlib.contextmanager
def _saved(beside: Path, graph: Signature, weights: Sequence[keras.Variable]) -> Iterator[Path]:
    """A SavedModel of a graph, which converters read; on the disk that the file goes to."""
    with tempfile.TemporaryDirectory(dir=beside) as directory:
        write_saved_model(parse_path(directory), {_SIGNATURE: graph}, weights)
        yield parse_path(directory)
