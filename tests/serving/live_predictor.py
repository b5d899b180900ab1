"""The predictor answers alike from every format, in a process that has an engine and no TensorFlow.

Run by `make test-engines`, as live_engines.py.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from texts_requests import ALL, ASKED, answers_of, assert_same_answers

import lvbert_tf.serving.predictor
from lvbert_tf.serving.versions import export

ENVIRONMENT = Path(sys.executable).parents[1]
PACKAGES = {
    "openvino": ("openvino",),
    "onnx": ("onnxruntime",),
}


@pytest.fixture(scope="module")
def versions(served, tmp_path_factory):
    """Every kind of model in both formats."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(ENVIRONMENT / "engines"))
        directory = tmp_path_factory.mktemp("versions")
        return {
            name: export(dict.fromkeys(PACKAGES, served[name]), directory / name, "MIT")
            for name in ASKED
        }


def isolated(directory, engine):
    """A directory with links to an engine, numpy and tokenizers, and a copy of the predictor."""
    directory.mkdir()
    installed = [Path(folder) for folder in sys.path if folder.endswith("site-packages")]
    for folder in (*installed, ENVIRONMENT / "engines"):
        for name in ("numpy", "numpy.libs", "tokenizers", "tokenizers.libs", *PACKAGES[engine]):
            if (folder / name).exists():
                (directory / name).symlink_to(folder / name)
    source = Path(lvbert_tf.serving.predictor.__file__).parent
    shutil.copytree(source, directory / "predictor", ignore=shutil.ignore_patterns("*.pyc"))
    return directory


@pytest.mark.parametrize("engine", PACKAGES)
def test_answers_without_tensorflow_and_the_project(served, versions, tmp_path, engine):
    asked = [
        [str(versions[name]), engine, signature, ASKED[name][signature]] for name, signature in ALL
    ]
    (tmp_path / "requests.json").write_text(json.dumps(asked))
    program = Path(__file__).parent / "predict_elsewhere.py"
    files = [tmp_path / "requests.json", tmp_path / "answers.json"]
    packages = isolated(tmp_path / "packages", engine)
    done = subprocess.run(
        [sys.executable, "-I", "-S", program, packages, *files], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads((tmp_path / "answers.json").read_text())
    for (name, signature), found in zip(ALL, answers, strict=True):
        expected = answers_of(served[name], signature, ASKED[name][signature])
        assert_same_answers(found, expected)


def test_the_program_answers_lines_without_tensorflow(served, versions):
    command = ["run_finetuning.py", "--exported", str(versions["classifier"]), "--predict", "-"]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        capture_output=True,
        text=True,
        input="A fine film.\n",
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(ENVIRONMENT / "engines")},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "openvino" in imported and not {"tensorflow", "keras"} & imported
    (expected,) = answers_of(served["classifier"], "serving_default", ["A fine film."])
    found = json.loads(done.stdout)
    assert found["label"] == expected["label"].decode()
    assert list(found["probabilities"].values()) == pytest.approx(
        expected["probabilities"].tolist(), abs=1e-5
    )


def test_without_an_engine_it_says_what_to_install(versions, tmp_path):
    packages = isolated(tmp_path / "packages", "onnx")
    (packages / "onnxruntime").unlink()
    code = (
        f"import sys; sys.path.append({str(packages)!r})\n"
        f"import predictor\n"
        f"try: predictor.load({str(versions['classifier'])!r})\n"
        f"except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip().endswith("pip install openvino or pip install onnxruntime"), done
