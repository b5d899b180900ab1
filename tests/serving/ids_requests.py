"""Token ids to ask exported models for, and how answers are compared."""

import numpy as np
from servable_models import LENGTH

# (model, signature) of all that takes ids; `answers...` and `spans...` predict spans.
SIGNATURES = [
    *((name, "serving_default") for name in ("classifier", "regressor", "tagger", "encoder")),
    *((name, "serving_default") for name in ("answers", "answers_or_none", "spans_or_none")),
    *(("pretrained", name) for name in ("serving_default", "fill_mask_ids", "replaced_tokens_ids")),
    ("two_towers", "fill_mask_ids"),
]
_IMPOSSIBLE = -500.0  # scores below it are of spans outside of the context, all of them alike


def inputs_of(lengths, width, vocabulary_size=500) -> dict[str, np.ndarray]:
    """Inputs of a backbone: for every length a row, padded to a width."""
    random = np.random.default_rng(width)
    place = np.arange(width)[np.newaxis]
    mask = (place < np.reshape(lengths, [-1, 1])).astype(np.int32)
    ids = random.integers(5, vocabulary_size, mask.shape).astype(np.int32)
    second = (place > 3).astype(np.int32)
    return {"token_ids": ids * mask, "segment_ids": second * mask, "padding_mask": mask}


# Another number of rows and another length in each.
BATCHES = [inputs_of([17, 9, 4], 17), inputs_of([1], 1), inputs_of([LENGTH, LENGTH - 4], LENGTH)]


def assert_same(found, expected) -> None:
    """Answers of an engine, arrays by name, are those of the Keras model; it may have more of them."""
    for name, wanted in expected.items():
        value = np.asarray(found[name])
        if name in ("starts", "ends"):
            possible = expected[f"{name[:-1]}_scores"] > _IMPOSSIBLE
            value, wanted = value[possible], wanted[possible]
        # Half of the limit for what the sums of TensorFlow differ in from run to run.
        np.testing.assert_allclose(value, wanted, rtol=1e-6, atol=1e-5, err_msg=name)
