"""The KerasHub tagger as a notebook uses it: from a preset, fit, predict, tag."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.models import (
    LVBertBackbone,
    LVBertTokenizer,
    LVBertTokenTagger,
    LVBertTokenTaggerPreprocessor,
)
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

TOKENS = [*SPECIAL_TOKENS, "birds", "sing", "##er", ".", "u", "s", "fish"]
PAD, UNK, CLS, SEP, MASK, BIRDS, SING, ER, DOT, U, S, FISH = range(len(TOKENS))
TAGS = ("NOUN", "VERB", ".")


@pytest.fixture(scope="module")
def preset(tmp_path_factory, randomize):
    """A backbone and a tokenizer, as pre-training leaves them."""
    directory = str(tmp_path_factory.mktemp("tagger") / "preset")
    backbone = LVBertBackbone(len(TOKENS), "CAF", 2, 16, 32, dropout=0.0, max_sequence_length=10)
    randomize(backbone).save_to_preset(directory)
    LVBertTokenizer(TOKENS).save_to_preset(directory)
    return directory


@pytest.fixture(scope="module")
def preprocess(preset):
    return LVBertTokenTaggerPreprocessor.from_preset(preset, sequence_length=8, tags=TAGS)


def test_words_become_the_references_inputs(preprocess):
    # \x07 is removed; a no-break space divides tokens, not words.
    inputs = preprocess(["Birds  U.S.\tsing", "\x07 singer", "fish\u00a0sing", " ", "u.s.u.s."])
    np.testing.assert_array_equal(
        inputs["token_ids"],
        [
            [CLS, BIRDS, U, DOT, S, DOT, SING, SEP],
            [CLS, UNK, SING, ER, SEP, PAD, PAD, PAD],
            [CLS, FISH, SING, SEP, PAD, PAD, PAD, PAD],
            [CLS, SEP, PAD, PAD, PAD, PAD, PAD, PAD],
            [CLS, U, DOT, S, DOT, U, DOT, SEP],
        ],
    )
    np.testing.assert_array_equal(inputs["segment_ids"], np.zeros((5, 8)))
    np.testing.assert_array_equal(inputs["padding_mask"], inputs["token_ids"] != PAD)


def test_labels_stand_at_first_pieces(preprocess):
    sentences = ["u.s. singer sing", "birds sing .", "fish fish fish fish fish fish fish"]
    # A tag that the model lacks, and more words than there are places.
    tags = ["NOUN NOUN VERB", "NOUN VERB PUNCT", "VERB NOUN NOUN NOUN NOUN NOUN NOUN"]
    _, labels, weights = preprocess(sentences, tags, [1.0, 0.5, 1.0])
    np.testing.assert_array_equal(
        weights,
        [[0, 1, 0, 0, 0, 1, 0, 0], [0, 0.5, 0.5, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 1, 1, 0]],
    )
    assert labels.numpy()[0, [1, 5]].tolist() == [0, 0]
    assert labels.numpy()[1, [1, 2]].tolist() == [0, 1]
    assert labels.numpy()[2, 1:7].tolist() == [1, 0, 0, 0, 0, 0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many tags as words"):
        preprocess(["birds sing"], ["NOUN"])


def test_logits_are_a_dense_layer_on_every_vector(preset):
    tagger = LVBertTokenTagger.from_preset(preset, tags=TAGS)
    assert tagger.preprocessor.sequence_length == 10  # what the backbone has
    inputs = tagger.preprocessor(["birds sing", "fish"])
    vectors = tagger.backbone(inputs)["sequence_output"]
    expected = vectors @ tagger.output_dense.kernel + tagger.output_dense.bias
    assert expected.shape == (2, 10, 3)
    # No dropout of the head's own: the backbone here has none.
    np.testing.assert_allclose(tagger(inputs, training=True), expected, atol=1e-5)
    tagger.compile(run_eagerly=True)
    np.testing.assert_allclose(tagger.predict(["birds sing", "fish"]), expected, atol=1e-5)


def test_fit_from_a_preset_and_come_back_from_one(preset, tmp_path):
    keras.utils.set_random_seed(1)
    tagger = LVBertTokenTagger.from_preset(preset, tags=TAGS)
    tagger.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=False)
    sentences = np.array(["birds sing .", "singer sing", "fish .", "u.s. birds sing"])
    tags = np.array(["NOUN VERB .", "NOUN VERB", "NOUN .", "NOUN NOUN VERB"])
    # One epoch of many copies: each epoch builds the tokenizer's graph anew.
    history = tagger.fit(np.tile(sentences, 40), np.tile(tags, 40), batch_size=4, verbose=0)
    assert list(history.history) == ["loss", "sparse_categorical_accuracy"]
    *tagged, long = tagger.tag([*sentences, "fish " * 12])
    assert tagged == [
        list(zip(s.split(), t.split(), strict=True)) for s, t in zip(sentences, tags, strict=True)
    ]
    assert len(long) == 8  # what fits between [CLS] and [SEP]

    tagger.save_to_preset(str(tmp_path / "tuned"))
    again = LVBertTokenTagger.from_preset(str(tmp_path / "tuned"))
    again.compile(run_eagerly=True)
    assert (again.tags, again.preprocessor.tags) == (TAGS, TAGS)
    assert again.tag(list(sentences)) == tagged


@pytest.mark.parametrize("tags", [(), ("NOUN", "NOUN")], ids=["none", "twice"])
def test_tags_must_differ(preset, tags):
    with pytest.raises(InputError, match="expected one or more different ones"):
        LVBertTokenTagger.from_preset(preset, tags=tags)


def test_what_is_written_for_a_tag(preset):
    """Of other tags nothing is kept: a preset may be loaded with tags of one's own."""
    backbone = LVBertBackbone.from_preset(preset)
    tagger = LVBertTokenTagger(
        backbone, TAGS, written_as={".": "PUNCT", "S-X": "B-X", "VERB": "VERB"}
    )
    assert (tagger.tags, tagger.written_tags) == (TAGS, ("NOUN", "VERB", "PUNCT"))
    assert tagger.get_config()["written_as"] == {".": "PUNCT"}
    for written in (1, ""):
        with pytest.raises(InputError, match="written_as: expected a text for each tag"):
            LVBertTokenTagger(backbone, TAGS, written_as={"NOUN": written})
