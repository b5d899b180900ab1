"""Asks SavedModels with nothing but TensorFlow and its text operations; run as a program.

    python -I elsewhere.py REQUESTS.json ANSWERS.json

The requests are `[[directory, signature, {input: value}], ...]`, the answers a dict of lists for each.
Strings that go in are base64 in the file, so that they may be any bytes.
"""

import base64
import json
import sys

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  registers the operations

# The project is installed where the tests run. Here every import of it fails, as on a server.
sys.modules["lvbert_tf"] = None


def tensor(value):
    if value["dtype"] == "string":
        rows = [base64.b64decode(row) for row in value["rows"]]
        return tf.constant(rows, tf.string, [len(rows)])
    return tf.constant(value["rows"], value["dtype"], value["shape"])


def plain(output):
    array = output.numpy()
    if array.dtype == object:
        array = np.vectorize(lambda row: row.decode(), otypes=[object])(array)
    return {"shape": list(array.shape), "values": array.ravel().tolist()}


def main(requests_file, answers_file):
    with open(requests_file) as file:
        requests = json.load(file)
    loaded, answers = {}, []
    for directory, signature, inputs in requests:
        if directory not in loaded:
            loaded[directory] = tf.saved_model.load(directory)
        graph = loaded[directory].signatures[signature]
        outputs = graph(**{name: tensor(value) for name, value in inputs.items()})
        answers.append({name: plain(output) for name, output in outputs.items()})
    with open(answers_file, "w") as file:
        json.dump(answers, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
