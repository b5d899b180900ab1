"""The names under which checkpoints store the weights of a pre-trainer, and a fingerprint of values."""

import hashlib
from collections.abc import Iterable

import keras
import numpy as np

from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.presets.compact import weight_name

_PARTS = (
    "discriminator",
    "generator",
    "right_to_left_generator",
    "masked_lm_head",
    "replaced_token_head",
)


def named_weights(pretrainer: ElectraPretrainer) -> dict[str, keras.Variable]:
    """The trainable weights by name, e.g. `generator.layer_3.self_attention.query_key_value.kernel`.

    A weight that several parts share, such as the embeddings, is named after the first of them.
    """
    named: dict[str, keras.Variable] = {}
    seen: set[int] = set()
    for part in _PARTS:
        layer = getattr(pretrainer, part)
        for weight in layer.trainable_variables if layer is not None else ():
            if id(weight) in seen:
                continue
            name = weight_name(part, layer, weight)
            if name in named:
                raise ValueError(f"two weights are named {name}")
            seen.add(id(weight))
            named[name] = weight
    return named


def fingerprint(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 of arrays, by which a later run or another worker recognises the same weights and data."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
