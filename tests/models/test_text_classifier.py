"""The KerasHub task as a notebook uses it: from a preset, fit, predict."""

import keras
import keras_hub
import numpy as np
import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertTextClassifier,
    LVBertTextClassifierPreprocessor,
    LVBertTokenizer,
)
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

WORDS = ["good", "bad", "film", "a", "##ly", "very"]
TOKENS = [*SPECIAL_TOKENS, *WORDS]
PAD, UNK, CLS, SEP, MASK, GOOD, BAD, FILM, A, LY, VERY = range(len(TOKENS))


@pytest.fixture(scope="module")
def preset(tmp_path_factory, randomize):
    """A backbone and a tokenizer, as pre-training leaves them."""
    directory = str(tmp_path_factory.mktemp("classifier") / "preset")
    backbone = LVBertBackbone(len(TOKENS), "CAF", 2, 16, 32, max_sequence_length=8)
    randomize(backbone).save_to_preset(directory)
    LVBertTokenizer(TOKENS).save_to_preset(directory)
    return directory


def test_texts_become_the_references_inputs(preset):
    preprocess = LVBertTextClassifierPreprocessor.from_preset(preset, sequence_length=8)
    inputs, _ = preprocess((["A film", "badly"], ["GOOD", "very good a film"]), [0, 1])
    np.testing.assert_array_equal(
        inputs["token_ids"],
        [
            [CLS, A, FILM, SEP, GOOD, SEP, PAD, PAD],
            # 6 tokens for 5 places: the longer text is cut.
            [CLS, BAD, LY, SEP, VERY, GOOD, A, SEP],
        ],
    )
    np.testing.assert_array_equal(
        inputs["segment_ids"], [[0, 0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1]]
    )
    np.testing.assert_array_equal(
        inputs["padding_mask"], [[1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1]]
    )


@pytest.mark.parametrize("paired", [False, True])
def test_a_model_keeps_to_texts_or_to_pairs(preset, paired):
    ones, pairs = ["a film"], (["a film"], ["good"])
    right, wrong = (pairs, ones) if paired else (ones, pairs)
    preprocess = LVBertTextClassifierPreprocessor.from_preset(preset, sequence_length=8)
    preprocess(wrong, y=None)  # nothing has been learned yet
    preprocess(right, [0])
    told = LVBertTextClassifierPreprocessor.from_preset(preset, paired=paired)
    for known in (preprocess, told):
        assert known.paired is paired
        known(right, y=None)
        with pytest.raises(InputError, match="got single texts" if paired else "got pairs"):
            known(wrong, y=None)
        with pytest.raises(InputError, match="got 3 texts"):
            known((ones, ones, ones), y=None)


def test_logits_are_a_dense_layer_on_the_first_vector(preset):
    classifier = LVBertTextClassifier.from_preset(preset, num_classes=3)
    inputs = classifier.preprocessor(["a good film", "bad"])
    first = classifier.backbone(inputs)["sequence_output"][:, 0]
    expected = first @ classifier.output_dense.kernel + classifier.output_dense.bias
    np.testing.assert_allclose(classifier(inputs), expected, atol=1e-5)
    np.testing.assert_allclose(classifier.predict(["a good film", "bad"]), expected, atol=1e-5)


def test_fit_from_a_preset_and_come_back_from_one(preset, tmp_path):
    classifier = keras_hub.models.TextClassifier.from_preset(preset, num_classes=2)
    assert isinstance(classifier, LVBertTextClassifier)
    classifier.compile(
        optimizer=keras.optimizers.Adam(5e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    texts, labels = np.array(["a good film", "a bad film", "very good", "badly"]), [1, 0, 1, 0]
    # Few epochs of many copies: each epoch builds the tokenizer's graph anew.
    history = classifier.fit(np.tile(texts, 30), np.tile(labels, 30), 4, epochs=2, verbose=0)
    assert history.history["loss"][1] < 0.3 * history.history["loss"][0]
    logits = classifier.predict(texts)
    assert logits.argmax(axis=1).tolist() == labels

    classifier.save_to_preset(str(tmp_path / "tuned"))
    again = LVBertTextClassifier.from_preset(str(tmp_path / "tuned"))
    with pytest.raises(InputError, match="got pairs"):
        again.predict((texts, texts))
    np.testing.assert_allclose(again.predict(texts), logits, atol=1e-6)
    assert again.preprocessor.tokenizer.get_vocabulary() == TOKENS


def test_the_tokenizer_keeps_its_settings_and_names_what_is_wrong(tmp_path):
    tokenizer = LVBertTokenizer([*TOKENS, "É"], lowercase=False)
    tokenizer.save_to_preset(str(tmp_path / "cased"))
    LVBertBackbone(12, "F", 2, 16, 32, max_sequence_length=8).save_to_preset(
        str(tmp_path / "cased")
    )
    again = keras_hub.tokenizers.Tokenizer.from_preset(str(tmp_path / "cased"))
    assert isinstance(again, LVBertTokenizer)
    assert again("É good A").numpy().tolist() == [11, GOOD, UNK]
    assert again.detokenize(again(["badly a", "good"])) == ["badly a", "good"]
    assert again.detokenize(np.array([BAD, LY])) == "badly"
    assert (again.token_to_id("bad"), again.id_to_token(BAD)) == (BAD, "bad")
    assert (again.pad_token_id, again.mask_token_id, again.unk_token_id) == (PAD, MASK, UNK)
    with pytest.raises(InputError, match="token id 12 is outside 0 to 11"):
        again.id_to_token(12)
    with pytest.raises(InputError, match="no vocabulary"):
        LVBertTokenizer()(["good"])
    with pytest.raises(InputError, match="lacks"):
        LVBertTokenizer(["good"])
