"""What cannot be exported is refused in a line, before anything is loaded."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.serving import formats

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("names", "precision", "message"),
    [
        ([], "float32", "--format '': expected one or more of savedmodel, onnx, openvino"),
        (
            ["tflite"],
            "float32",
            "--format 'tflite': expected one or more of savedmodel, onnx, openvino",
        ),
        (["onnx", "onnx"], "float32", "--format 'onnx,onnx': expected one or more of"),
        (
            ["onnx"],
            "bfloat16",
            "--format onnx has no --precision bfloat16, only float32 and int8; savedmodel and openvino",
        ),
    ],
)
def test_refused(names, precision, message):
    with pytest.raises(InputError, match=re.escape(message)):
        formats.check_formats(names, precision)


def test_a_missing_package(monkeypatch):
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None)
    formats.check_formats(["savedmodel"], "bfloat16")
    with pytest.raises(InputError, match=r"needs the package openvino: pip install openvino$"):
        formats.check_formats(["savedmodel", "openvino"], "float32")
    monkeypatch.setattr(
        formats.importlib.util, "find_spec", lambda name: name == "openvino" or None
    )
    formats.check_formats(["openvino"], "bfloat16")
    with pytest.raises(InputError, match=r"the package nncf: pip install openvino nncf$"):
        formats.check_formats(["openvino"], "int8")


def test_the_program_refuses_before_it_loads(tmp_path):
    program = [sys.executable, str(ROOT / "export_saved_model.py"), "--model_dir", str(tmp_path)]
    program += ["--output_dir", str(tmp_path / "films")]
    for flags, message in (
        (["--format=onnx", "--precision=bfloat16"], "error: --format onnx has no --precision"),
        (["--format=onnx", "--inputs=ids"], "error: --"),
        (["--precision=int8"], "error: --format savedmodel has no --precision int8, only"),
        (
            ["--calibration=texts.txt"],
            "error: --calibration is of no use without --format openvino",
        ),
    ):
        done = subprocess.run([*program, *flags], capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.startswith(message) and done.stderr.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
