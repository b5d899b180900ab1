import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.models import ElectraPretrainer, LVBertTokenizer
from lvbert_tf.pretraining.inspection import fill_masks, flag_replacements
from lvbert_tf.runs.loaded_model import LoadedModel

WORDS = ["a", "b", "c", "d", "##x", "##y", ".", ","]
TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)


def loaded(pretrainer):
    return LoadedModel(pretrainer, LVBertTokenizer(list(TOKENS)))


@pytest.fixture(scope="module")
def pretrainer(tiny_config, randomize):
    return randomize(ElectraPretrainer.from_networks(tiny_config().networks))


def inputs(*tokens):
    ids = tf.constant([[TOKENS.index(token) for token in tokens]])
    return {"token_ids": ids, "segment_ids": ids * 0, "padding_mask": ids * 0 + 1}


def softmax(logits):
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def test_gaps_get_the_likeliest_tokens_of_their_positions(pretrainer):
    gaps = fill_masks(loaded(pretrainer), "[MASK] ax[MASK], d", num_candidates=3)
    read = inputs("[CLS]", "[MASK]", "a", "##x", "[MASK]", ",", "d", "[SEP]")
    logits = pretrainer.masked_lm_logits(read, tf.constant([[1, 4]])).numpy()[0]
    assert len(gaps) == 2
    for candidates, expected in zip(gaps, map(softmax, logits), strict=True):
        best = np.argsort(-expected[: len(TOKENS)])[:3]
        assert [candidate.token for candidate in candidates] == [TOKENS[i] for i in best]
        np.testing.assert_allclose([c.probability for c in candidates], expected[best], rtol=1e-4)


def test_two_towers_fill_gaps_too(tiny_config, randomize):
    model = randomize(
        ElectraPretrainer.from_networks(tiny_config(electric_objective=True).networks)
    )
    ((best,),) = fill_masks(loaded(model), "a [MASK] b", num_candidates=1)
    logits = model.cloze_logits(inputs("[CLS]", "a", "[MASK]", "b", "[SEP]")).numpy()[0, 2]
    assert best.token == TOKENS[int(np.argmax(logits[: len(TOKENS)]))]


def test_a_word_is_as_suspicious_as_its_worst_piece(pretrainer):
    flagged = flag_replacements(loaded(pretrainer), "a  bxy, d")
    read = inputs("[CLS]", "a", "b", "##x", "##y", ",", "d", "[SEP]")
    by_token = 1 / (1 + np.exp(-pretrainer.replaced_token_logits(read).numpy()[0]))
    assert [item.word for item in flagged] == ["a", "bxy,", "d"]
    expected = [by_token[1], by_token[2:6].max(), by_token[6]]
    np.testing.assert_allclose([item.probability for item in flagged], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a b", r"no \[MASK\]"), ("[MASK] " + "a " * 10, "11 tokens; the model has positions for 10")],
)
def test_texts_that_cannot_be_filled_are_refused(pretrainer, text, message):
    with pytest.raises(InputError, match=message):
        fill_masks(loaded(pretrainer), text)


def test_empty_and_long_texts_cannot_be_flagged(pretrainer):
    with pytest.raises(InputError, match="no words"):
        flag_replacements(loaded(pretrainer), " \n")
    with pytest.raises(InputError, match="12 tokens"):
        flag_replacements(loaded(pretrainer), "axy " * 4)


def test_models_without_the_network_are_refused(tiny_config):
    uniform = ElectraPretrainer.from_networks(tiny_config(uniform_generator=True).networks)
    with pytest.raises(InputError, match="no generator"):
        fill_masks(loaded(uniform), "[MASK]")
    masked_lm = ElectraPretrainer.from_networks(tiny_config(electra_objective=False).networks)
    with pytest.raises(InputError, match="no discriminator"):
        flag_replacements(loaded(masked_lm), "a")


def test_a_model_without_its_vocabulary_is_refused(pretrainer):
    model = LoadedModel(pretrainer, None)
    with pytest.raises(InputError, match="no vocabulary"):
        fill_masks(model, "[MASK]")
    with pytest.raises(InputError, match="no vocabulary"):
        flag_replacements(model, "a")
