"""Asks exported models by a copy of the predictor, where there is no TensorFlow and none of the project.

    python -I -S predict_elsewhere.py PACKAGES REQUESTS.json ANSWERS.json

PACKAGES is the only directory to import from. The requests are
`[[version, format, signature, texts], ...]`.
"""

import json
import sys

sys.path.append(sys.argv[1])

import numpy as np
from predictor import load


def plain(value):
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


_, requests_file, answers_file = sys.argv[1:]
with open(requests_file) as file:
    requests = json.load(file)
answers = []
for version, name, signature, texts in requests:
    found = load(version, name)(texts, signature, batch_size=2)
    answers.append([{key: plain(value) for key, value in row.items()} for row in found])
for missing in ("tensorflow", "lvbert_tf", "keras"):
    assert missing not in sys.modules
with open(answers_file, "w") as file:
    json.dump(answers, file)
