"""OpenVINO and ONNX Runtime give the answers of the Keras models, from SavedModels of token ids.

`make test-engines` runs these by the file's name, which pytest does not take for a test's otherwise:
the engines are in a directory of their own, and find what they share with TensorFlow where that is.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from ids_requests import BATCHES, SIGNATURES, assert_same, inputs_of
from servable_models import LABELS

sys.path.append(str(Path(sys.executable).parents[1] / "engines"))
import onnxruntime
import openvino
import tf2onnx.convert

BY_DEFAULT = [name for name, signature in SIGNATURES if signature == "serving_default"]
# OpenVINO computes in bfloat16 where the processor does.
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


def with_openvino(path):
    """The model of a SavedModel or an ONNX file as a function from and to arrays by name."""
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", EXACT)
    return lambda inputs: {
        name: value for port, value in compiled(inputs).items() for name in port.names
    }


def with_onnx_runtime(path):
    """As `with_openvino`, of an ONNX file."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


@pytest.fixture(scope="module")
def onnx_file(ids_export, tmp_path_factory):
    """Converts a signature of an exported model, once; gives the path of the file."""
    directory, files = tmp_path_factory.mktemp("onnx"), {}

    def of(name, signature):
        if (name, signature) not in files:
            files[name, signature] = str(directory / f"{name}_{signature}.onnx")
            command = f"tf2onnx --saved-model {ids_export(name)} --signature_def {signature}"
            command += f" --output {files[name, signature]} --opset 18"
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(sys, "argv", command.split())
                tf2onnx.convert.main()
        return files[name, signature]

    return of


@pytest.mark.parametrize("name", BY_DEFAULT)
def test_openvino_reads_the_saved_model(ids_export, keras_answers, name):
    run = with_openvino(ids_export(name))
    for inputs in BATCHES:
        assert_same(run(inputs), keras_answers(name, "serving_default", inputs))


@pytest.mark.parametrize(("name", "signature"), SIGNATURES)
def test_onnx_runtime(onnx_file, keras_answers, name, signature):
    run = with_onnx_runtime(onnx_file(name, signature))
    for inputs in BATCHES:
        assert_same(run(inputs), keras_answers(name, signature, inputs))


@pytest.mark.parametrize("signature", ["fill_mask_ids", "replaced_tokens_ids"])
def test_openvino_reads_other_signatures_from_onnx(onnx_file, keras_answers, signature):
    run = with_openvino(onnx_file("pretrained", signature))
    for inputs in BATCHES:
        assert_same(run(inputs), keras_answers("pretrained", signature, inputs))


def test_rows_of_padding_alone_and_no_rows(ids_export, onnx_file, keras_answers):
    inputs = inputs_of([17, 0, 4], 17)
    expected = keras_answers("classifier", "serving_default", inputs)
    for run in (
        with_openvino(ids_export("classifier")),
        with_onnx_runtime(onnx_file("classifier", "serving_default")),
    ):
        assert_same(run(inputs), expected)
        none = run({name: value[:0] for name, value in inputs.items()})
        assert none["probabilities"].shape == (0, expected["probabilities"].shape[1])


def test_labels_are_texts(ids_export, onnx_file, keras_answers):
    inputs = BATCHES[0]
    best = keras_answers("classifier", "serving_default", inputs)["probabilities"].argmax(-1)
    for run in (
        with_openvino(ids_export("classifier")),
        with_onnx_runtime(onnx_file("classifier", "serving_default")),
    ):
        assert run(inputs)["label"].tolist() == [LABELS[index] for index in best]


def test_what_onnx_runtime_refuses(onnx_file):
    """An id that is not in the table; TensorFlow's other checks are not part of a converted model."""
    run = with_onnx_runtime(onnx_file("classifier", "serving_default"))
    inputs = inputs_of([4], 4)
    wrong = {**inputs, "token_ids": np.full([1, 4], 10_000, np.int32)}
    with pytest.raises(Exception, match="out of data bounds"):
        run(wrong)
    with pytest.raises(Exception, match=r"Unexpected input data type.*int64"):
        run({**inputs, "token_ids": inputs["token_ids"].astype(np.int64)})
