"""SavedModels of token ids: with TensorFlow alone, in TensorFlow Lite, and on inputs that are wrong."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from ids_requests import BATCHES, SIGNATURES, assert_same, inputs_of
from servable_models import LABELS, LENGTH, VOCABULARY

NAMES = ("token_ids", "segment_ids", "padding_mask")


@pytest.mark.parametrize(("name", "signature"), SIGNATURES)
def test_tensorflow_lite_needs_its_own_operations_only(ids_export, keras_answers, name, signature):
    converter = tf.lite.TFLiteConverter.from_saved_model(ids_export(name), [signature])
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    run = interpreter.get_signature_runner(signature)
    for inputs in BATCHES:
        assert_same(run(**inputs), keras_answers(name, signature, inputs))


def test_tensorflow_lite_by_tensors(ids_export, keras_answers):
    """As from C++: every input has to be given its shape first."""
    converter = tf.lite.TFLiteConverter.from_saved_model(ids_export("classifier"))
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    for inputs in BATCHES:
        places = {
            name: details["index"]
            for details in interpreter.get_input_details()
            for name in NAMES
            if name in details["name"]
        }
        for name, place in places.items():
            interpreter.resize_tensor_input(place, inputs[name].shape)
        interpreter.allocate_tensors()
        for name, place in places.items():
            interpreter.set_tensor(place, inputs[name])
        interpreter.invoke()
        outputs = map(
            interpreter.get_tensor, [o["index"] for o in interpreter.get_output_details()]
        )
        (found,) = (output for output in outputs if output.dtype == np.float32)
        expected = keras_answers("classifier", "serving_default", inputs)
        assert_same({"probabilities": found}, expected)
    interpreter.set_tensor(places["token_ids"], np.full([2, LENGTH], 10_000, np.int32))
    with pytest.raises(RuntimeError, match="gather index out of bounds"):
        interpreter.invoke()


@pytest.fixture(scope="module")
def saved_model_cli(ids_export, tmp_path_factory):
    """What the program shows, and a directory of what it computes, in one process of its own: it has
    flags of the same names as our programs."""
    directory = tmp_path_factory.mktemp("cli")
    ours = ["--dir", ids_export("classifier"), "--tag_set", "serve"]
    ours += ["--signature_def", "serving_default"]
    exprs = ";".join(f"{name}={CLI_INPUTS[name].tolist()}" for name in NAMES)
    commands = [
        ["saved_model_cli", "show", *ours],
        ["saved_model_cli", "run", *ours, "--outdir", ".", "--input_exprs", exprs],
    ]
    done = subprocess.run(
        [sys.executable, "-I", "-c", CLI, json.dumps(commands)],
        capture_output=True,
        text=True,
        cwd=directory,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, directory


CLI_INPUTS = inputs_of([4], 4)
CLI = """
import json, sys
from tensorflow.python.tools.saved_model_cli import main
for sys.argv in json.loads(sys.argv[1]):
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
assert not {"tensorflow_text", "lvbert_tf"} & set(sys.modules)
"""


@pytest.mark.slow
def test_saved_model_cli_shows_names_and_types(saved_model_cli):
    shown, _ = saved_model_cli
    for pattern in (
        *(
            rf"inputs\['{name}'\] tensor_info:\s+dtype: DT_INT32\s+shape: \(-1, -1\)"
            for name in NAMES
        ),
        r"outputs\['probabilities'\] tensor_info:\s+dtype: DT_FLOAT\s+shape: \(-1, 3\)",
        r"outputs\['label'\] tensor_info:\s+dtype: DT_STRING\s+shape: \(-1\)",
    ):
        assert re.search(pattern, shown), shown


@pytest.mark.slow
def test_saved_model_cli_runs_without_tensorflow_text(saved_model_cli, keras_answers):
    found = np.load(saved_model_cli[1] / "probabilities.npy")
    expected = keras_answers("classifier", "serving_default", CLI_INPUTS)
    assert_same({"probabilities": found}, expected)


def test_the_vocabulary_is_beside_the_saved_model(ids_export):
    file = f"{ids_export('classifier')}/assets.extra/vocab.txt"
    with open(file, encoding="utf-8") as found:
        assert found.read().split("\n") == VOCABULARY.read_text(encoding="utf-8").split("\n")


@pytest.fixture(scope="module")
def signature(ids_export):
    return tf.saved_model.load(ids_export("classifier")).signatures["serving_default"]


def changed(**columns):
    """Inputs of three rows of 17, with another value in one place, or another column."""
    inputs = {name: column.copy() for name, column in BATCHES[0].items()}
    for name, value in columns.items():
        if isinstance(value, int):
            inputs[name][1, 2] = value
        else:
            inputs[name] = value
    return inputs


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (changed(token_ids=10_000), r"expected token_ids from 0 to \d+, got\] \[10000\]"),
        (changed(token_ids=-1), r"expected token_ids from 0 to \d+, got\] \[-1\]"),
        (changed(segment_ids=2), r"expected segment_ids from 0 to 1, got\] \[2\]"),
        (changed(segment_ids=-1), r"expected segment_ids from 0 to 1, got\] \[-1\]"),
        (changed(padding_mask=2), r"expected padding_mask from 0 to 1, got\] \[2\]"),
        (changed(padding_mask=-1), r"expected padding_mask from 0 to 1, got\] \[-1\]"),
        (
            changed(padding_mask=np.ones([3, 1], np.int32)),
            r"expected padding_mask of the shape of token_ids, got\] \[3 1\]",
        ),
        (
            changed(segment_ids=np.zeros([1, 17], np.int32)),
            r"expected segment_ids of the shape of token_ids, got\] \[1 17\]",
        ),
        (inputs_of([LENGTH + 1], LENGTH + 1), rf"expected 1 to {LENGTH} tokens, got\] \[25\]"),
        (inputs_of([0], 0), rf"expected 1 to {LENGTH} tokens, got\] \[0\]"),
    ],
)
def test_what_the_model_cannot_read_is_refused(signature, inputs, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        signature(**{name: tf.constant(value) for name, value in inputs.items()})


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_another_type_is_refused(signature, dtype):
    with pytest.raises(Exception, match=r"int32"):
        signature(**{name: tf.constant(value.astype(dtype)) for name, value in BATCHES[0].items()})


def test_rows_of_padding_alone_and_no_rows(signature, keras_answers):
    """A row without a token does not disturb the others."""
    inputs = inputs_of([17, 0, 4], 17)
    found = signature(**{name: tf.constant(value) for name, value in inputs.items()})
    assert_same(found, keras_answers("classifier", "serving_default", inputs))
    none = signature(**{name: tf.constant(value[:0]) for name, value in inputs.items()})
    assert none["probabilities"].shape == (0, len(LABELS)) and none["label"].shape == (0,)
