"""The KerasHub regressor as a notebook uses it: from a preset, fit, predict."""

import keras
import numpy as np
import pytest

from lvbert_tf.models import LVBertBackbone, LVBertTextRegressor, LVBertTokenizer
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

TOKENS = [*SPECIAL_TOKENS, "good", "bad", "film", "very"]
RANGE = (2.0, 10.0)


@pytest.fixture(scope="module")
def preset(tmp_path_factory, randomize):
    """A backbone and a tokenizer, as pre-training leaves them."""
    directory = str(tmp_path_factory.mktemp("regressor") / "preset")
    backbone = LVBertBackbone(len(TOKENS), "CAF", 2, 16, 32, dropout=0.0, max_sequence_length=8)
    randomize(backbone).save_to_preset(directory)
    LVBertTokenizer(TOKENS).save_to_preset(directory)
    return directory


def test_a_number_is_the_head_s_0_to_1_in_the_units_of_the_labels(preset):
    regressor = LVBertTextRegressor.from_preset(preset, label_range=RANGE)
    texts = ["good film", "bad", "very very bad film"]
    inputs = regressor.preprocessor(texts)
    first = regressor.backbone(inputs)["sequence_output"][:, 0]
    unit = (first @ regressor.output_dense.kernel + regressor.output_dense.bias)[:, 0]
    np.testing.assert_allclose(regressor(inputs), 2 + 8 * unit, rtol=1e-4, atol=1e-5)
    regressor.compile(run_eagerly=True)
    predicted = regressor.predict(texts)
    assert predicted.shape == (3,) and predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, 2 + 8 * unit, rtol=1e-4, atol=1e-5)
    regressor.output_dense.bias.assign([5.0])  # far beyond the range
    assert (regressor.predict(texts) > 15).all()


def test_fit_from_a_preset_and_come_back_from_one(preset, tmp_path):
    keras.utils.set_random_seed(1)
    regressor = LVBertTextRegressor.from_preset(preset, label_range=RANGE, dropout=0.0)
    regressor.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=False)
    texts = (np.array(["good", "bad", "very good"]), np.array(["film", "film", "good"]))
    values = np.array([8.0, 3.0, 10.0])
    # One epoch of many copies: each epoch builds the tokenizer's graph anew.
    copies = tuple(np.tile(part, 60) for part in texts)
    regressor.fit(copies, np.tile(values, 60), batch_size=3, verbose=0)
    predicted = regressor.predict(texts)
    np.testing.assert_allclose(predicted, values, atol=1.0)
    # The metric is in the same units.
    figures = regressor.evaluate(texts, values, verbose=0, return_dict=True)
    expected = np.sqrt(np.mean((predicted - values) ** 2))
    assert figures["root_mean_squared_error"] == pytest.approx(expected, rel=1e-4)

    regressor.save_to_preset(str(tmp_path / "tuned"))
    again = LVBertTextRegressor.from_preset(str(tmp_path / "tuned"))
    assert (again.label_range, again.dropout, again.preprocessor.paired) == (RANGE, 0.0, True)
    again.compile(run_eagerly=True)
    np.testing.assert_allclose(again.predict(texts), predicted, atol=1e-5)
