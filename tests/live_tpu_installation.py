"""`requirements-tpu.txt` installs TensorFlow's build for TPUs, unmixed, with a libtpu that it can load.

`make test-tpu-stack` runs these in the environment of that file, where pytest does not take the file's
name for a test's otherwise. No TPU is needed: TensorFlow loads libtpu wherever it is installed.
"""

import base64
import hashlib
import re
from importlib import metadata
from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow_text

from lvbert_tf.errors import InputError
from lvbert_tf.training.distribution import make_strategy

PINS = dict(
    re.findall(
        r"^([\w-]+)==(\S+)", (Path(__file__).parents[1] / "requirements-tpu.txt").read_text(), re.M
    )
)


@pytest.mark.parametrize("package", ["libtpu", "tensorflow-text", "tensorflow-tpu"])
def test_the_pinned_versions_are_installed(package):
    assert metadata.version(package) == PINS[package]


def test_no_other_tensorflow_is_installed():
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("tensorflow")


def test_the_files_of_tensorflow_are_those_of_the_build_for_tpus():
    """A plain TensorFlow that is installed later replaces them, but not the RECORD of their hashes."""
    listed = [
        file
        for file in metadata.files("tensorflow-tpu")
        if file.name.startswith(("libtensorflow_", "__init__.py")) and file.hash is not None
    ]
    assert {"libtensorflow_cc.so.2", "libtensorflow_framework.so.2"} <= {f.name for f in listed}
    for file in listed:
        with open(file.locate(), "rb") as stream:
            found = hashlib.file_digest(stream, file.hash.mode).digest()
        assert base64.urlsafe_b64encode(found).decode().rstrip("=") == file.hash.value, file


def test_libtpu_is_loaded():
    """If it lacks a function that TensorFlow looks up, the import aborts this whole process."""
    assert tf.config.list_physical_devices("TPU_SYSTEM")


def test_the_operations_of_tensorflow_text_load_and_run():
    tokens = tensorflow_text.WhitespaceTokenizer().tokenize(["a fine film"])
    assert tokens.to_list() == [[b"a", b"fine", b"film"]]


def test_xla_of_this_build_compiles_for_tpus_alone():
    """So the other tests need a plain TensorFlow; see `make test-tpu-stack`."""
    with pytest.raises(tf.errors.NotFoundError, match="transfer manager for platform Host"):
        tf.function(tf.nn.relu, jit_compile=True)(tf.ones([2]))


@pytest.mark.parametrize("name", ["auto", "one_device", "mirrored"])
def test_training_on_its_cpu_is_refused(name):
    with pytest.raises(InputError, match="--tpu local"):
        make_strategy(name)
